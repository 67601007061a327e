// Channels as Node's streams.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { assertFine, assertGone, channelName, child, closing, kren, krenError } from './support/index.mjs';

test('what goes into a writable comes out of a readable, message by message (G1)', async () => {
  const name = channelName();
  const sent = Array.from({ length: 2000 }, (_, n) => Buffer.alloc(n % 700, n));
  const got = [];
  const sending = pipeline(Readable.from(sent), kren.writable(name, 4096));
  for await (const message of kren.readable(name, { timeout: 20_000 })) {
    assert.ok(Buffer.isBuffer(message));
    got.push(message);
  }
  await sending;
  assert.deepEqual(got, sent);
  assertGone(name);
});

test('a writable takes strings and arrays of bytes, each a message', async (t) => {
  const name = channelName();
  const stream = kren.writable(name, 65536);
  const reader = closing(t, new kren.Reader(name));
  stream.write('text');
  stream.write(new Uint16Array([0x6261]));
  stream.end(Buffer.from('end'));
  await once(stream, 'finish');
  assert.deepEqual([...reader].map(String), ['text', 'ab', 'end']);
});

test('back-pressure reaches the writer: it waits for the reader, not in memory', async (t) => {
  const name = channelName();
  const stream = kren.writable(name, 4096, { highWaterMark: 4 });
  const reader = closing(t, new kren.Reader(name));
  let accepted = 0;
  while (stream.write(Buffer.alloc(1000))) {
    accepted += 1;
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(accepted < 20);
  }
  assert.equal(reader.readMany(10).length, 4);
  await once(stream, 'drain');
  stream.destroy();
  await once(stream, 'close');
  for (const message of reader) assert.equal(message.length, 1000);
});

test('a readable holds a few messages and leaves the rest in the ring', async () => {
  const name = channelName();
  const writer = new kren.Writer(name, 1 << 20);
  for (let n = 0; n < 100; n++) writer.write(`${n}`);
  const stream = kren.readable(name, { highWaterMark: 5 });
  await once(stream, 'readable');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(stream.readableLength <= 6, `${stream.readableLength}`);
  stream.destroy();
  await once(stream, 'close');
  const rest = new kren.Reader(name);
  assert.ok(rest.readMany(1000).length >= 94);
  rest.close();
  writer.close();
  assertGone(name);
});

test('a readable between processes, through a transform', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const { Transform } = require('node:stream');
     const twice = new Transform({ objectMode: true, transform(chunk, _, done) { done(null, Buffer.concat([chunk, chunk])); } });
     kren.readable(name, { timeout: 20000 }).pipe(twice).pipe(kren.writable(name + '-back', 65536));`,
  );
  const out = kren.writable(name, 65536);
  const back = kren.readable(`${name}-back`, { timeout: 20_000 });
  for (let n = 0; n < 500; n++) if (!out.write(`${n}.`)) await once(out, 'drain');
  out.end();
  let n = 0;
  for await (const message of back) {
    assert.equal(message.toString(), `${n}.${n}.`);
    n += 1;
  }
  assert.equal(n, 500);
  await assertFine(other);
  assert.ok(Transform);
});

test('a stream fails with the errors of the channel', async () => {
  const name = channelName();
  await assert.rejects(
    async () => {
      for await (const _ of kren.readable(name, { timeout: 20 }));
    },
    krenError('KREN_NOT_FOUND', name),
  );
  assert.throws(() => kren.writable('no/name', 4096), krenError('KREN_INVALID_NAME', 'no/name'));
  const stream = kren.writable(name, 4096);
  const [error] = await Promise.all([once(stream, 'error'), stream.write(Buffer.alloc(5000))]);
  krenError('KREN_TOO_LARGE', name)(error[0]);
  assertGone(name);
});

test('a readable that is destroyed while it waits lets the process end', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const w = new kren.Writer(name + '-a', 4096);
     const waits = [kren.readable(name + '-a'), kren.readable(name + '-none')];
     for (const stream of waits) stream.on('data', () => {});
     setTimeout(() => { for (const stream of waits) stream.destroy(); w.close(); say('done'); }, 50);`,
  );
  assert.equal(await other.line(), 'done');
  await assertFine(other);
  assertGone(name);
});

test('a signal ends a readable', async () => {
  const name = channelName();
  const writer = new kren.Writer(name, 4096);
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('enough')), 30);
  await assert.rejects(
    async () => {
      for await (const _ of kren.readable(name, { signal: controller.signal }));
    },
    { message: 'enough' },
  );
  writer.close();
  assertGone(name);
});
