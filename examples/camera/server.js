// Serves a page that shows the pictures of a channel as they come, and how long they took.
//
// Usage: node server.js CHANNEL [PORT]

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import process from 'node:process';
import kren from '@pawanxz/kren';

const [channel, port = '0'] = process.argv.slice(2);
const page = readFileSync(new URL('page.html', import.meta.url));

/** What the page is told beside the picture. */
const status = {
  camera: 'starts',
  cameraPid: 0,
  motion: 'starts',
  motionPid: 0,
  received: 0,
  lost: 0,
  repeated: 0,
};
let newest = 0n;

/** Pages that look on; `busy` while one has not taken the last picture yet. */
const pages = new Set();

const server = createServer((request, response) => {
  if (request.url === '/') return response.setHeader('content-type', 'text/html').end(page);
  if (request.url !== '/pictures') return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' });
  const viewer = { response, busy: false };
  pages.add(viewer);
  response.on('drain', () => {
    viewer.busy = false;
  });
  response.on('close', () => pages.delete(viewer));
  show({});
});

/** Sends a picture, or news alone, to every page: the length of a text, the text, the picture. */
function show(picture, bytes) {
  const text = Buffer.from(JSON.stringify({ ...status, ...picture, length: bytes?.length ?? 0 }));
  const front = Buffer.alloc(4);
  front.writeUInt32LE(text.length);
  for (const viewer of pages) {
    // A page that is slower than the camera leaves pictures out; the counts are made here, of all of them.
    if (viewer.busy && bytes) continue;
    viewer.response.write(front);
    viewer.response.write(text);
    if (bytes) viewer.busy = !viewer.response.write(bytes);
  }
}

function count(number) {
  // A process that died before it could give a picture back gets it once more when it comes again.
  if (number <= newest) status.repeated += 1;
  else if (newest > 0n) status.lost += Number(number - newest - 1n);
  if (number > newest) newest = number;
  status.received += 1;
}

// A stop is a close, and no death: the channel goes.
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));

const reader = await kren.connect(channel, { timeout: 60_000 });
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));

for (;;) {
  try {
    const { image, boxes, stamp, state } = await reader.readArraysAsync();
    if (state) {
      status.camera = state.data[0] === 2 ? 'died' : 'closed';
      show({});
      continue;
    }
    const [number, time, cameraPid, motionPid] = stamp.data;
    count(number);
    status.camera = status.motion = 'runs';
    status.cameraPid = Number(cameraPid);
    status.motionPid = Number(motionPid);
    const [height, width] = image.shape;
    const age = Number(BigInt(Date.now()) * 1_000_000n - time) / 1e6;
    // The clock's time, from which the page takes the whole way, its own included.
    show(
      {
        number: Number(number),
        time: Number(time / 1000n) / 1000,
        age,
        width,
        height,
        boxes: Array.from(boxes.data),
      },
      Buffer.from(image.data.buffer, image.data.byteOffset, image.data.byteLength),
    );
  } catch (error) {
    if (error.code !== 'KREN_PEER_DIED' && error.code !== 'KREN_CLOSED') throw error;
    status.motion = error.code === 'KREN_PEER_DIED' ? 'died' : 'closed';
    show({});
    await reader.waitForWriter();
  }
}
