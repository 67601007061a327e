// Messages built and looked at in the ring itself, several held at once; streams; many with one call.
//
// Usage: node in_place.js [CHANNEL]

import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import kren from '@pawanxz/kren';

const name = process.argv[2] ?? 'in-place';
const FRAME = 256 * 1024;

const writer = new kren.Writer(name, 4 * FRAME);
const reader = new kren.Reader(name);

for (let number = 0; number < 3; number++) {
  const reserved = writer.reserve(FRAME);
  reserved.data.fill(number);
  reserved.data.writeUInt32LE(number);
  reserved.commit();
}

// Three frames held at once, where they lie.
const frames = [reader.borrow(), reader.borrow(), reader.borrow()];
for (const { data } of frames) console.log(`frame ${data.readUInt32LE()}: ${data.length} bytes`);
console.log(`held: ${reader.held} bytes`);
for (const frame of frames) frame.release();
console.log(`held: ${reader.held} bytes`);

writer.writeMany(['one', 'two', 'three']);
console.log(reader.readMany(10).join(' '));

const into = Buffer.alloc(16);
writer.write('into a buffer');
console.log(into.toString('utf8', 0, reader.readInto(into)));
reader.close();
writer.close();

const sending = pipeline(['a', 'b', 'c'], kren.writable(name, 65536));
for await (const message of kren.readable(name)) console.log(`streamed: ${message}`);
await sending;
