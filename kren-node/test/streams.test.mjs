// Channels as Node's streams.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import {
  assertFine,
  assertGone,
  channelName,
  child,
  closing,
  kren,
  krenError,
  nextTurn,
} from './support/index.mjs';

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

test('a readable holds a few messages at a time', async () => {
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
  assert.equal(rest.readMany(1000).length, 100);
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

/** Reads what is left, with a reader that comes after. */
function rest(name) {
  const reader = new kren.Reader(name);
  const got = [];
  for (let message = reader.tryRead(); message !== null; message = reader.tryRead()) got.push(`${message}`);
  reader.close();
  return got;
}

const numbers = (from, to) => Array.from({ length: to - from }, (_, i) => `${from + i}`);

test('what is fetched and not handed on is the next reader’s, however the stream is left (G1)', async () => {
  const ways = {
    async break(stream) {
      for await (const message of stream) if (`${message}` === '2') break;
    },
    async throw(stream) {
      await assert.rejects(
        async () => {
          for await (const message of stream) if (`${message}` === '2') throw new Error('enough');
        },
        { message: 'enough' },
      );
    },
    async data(stream) {
      stream.on('data', (message) => `${message}` === '2' && stream.destroy());
      await once(stream, 'close');
    },
    async pause(stream) {
      stream.on('data', (message) => `${message}` === '2' && stream.pause());
      while (stream.readableFlowing || stream.readableLength < 5) await nextTurn();
      stream.destroy();
      await once(stream, 'close');
    },
    async readable(stream) {
      await once(stream, 'readable');
      for (let n = 0; n < 3; n++) {
        while (stream.readableLength === 0) await once(stream, 'readable');
        assert.equal(`${stream.read()}`, `${n}`);
      }
      stream.destroy(new Error('enough'));
      await once(stream, 'error');
    },
    async take(stream) {
      assert.deepEqual((await stream.take(3).toArray()).map(String), numbers(0, 3));
      if (!stream.closed) await once(stream, 'close');
    },
  };
  for (const [way, leave] of Object.entries(ways)) {
    const name = channelName();
    const writer = new kren.Writer(name, 65536);
    writer.writeMany(numbers(0, 50));
    await leave(kren.readable(name, { highWaterMark: 5 }));
    assert.deepEqual(rest(name), numbers(3, 50), way);
    writer.close();
    assertGone(name);
  }
});

test('a small ring and a slow user of the stream do not wait for each other', async () => {
  const name = channelName();
  const sent = Array.from({ length: 60 }, (_, n) => Buffer.alloc([1900, 10, 4000, 0, 2040][n % 5], n));
  const sending = pipeline(Readable.from(sent), kren.writable(name, 4096));
  const stream = kren.readable(name, { timeout: 20_000 });
  const got = [];
  for await (const message of stream) {
    got.push(message);
    if (got.length % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    if (got.length % 5 === 0 && stream.readableLength > 0) got.push(stream.read());
  }
  await sending;
  assert.deepEqual(got, sent);
  assertGone(name);
});

test('what a handler throws is the handler’s, not the channel’s', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const w = new kren.Writer(name, 65536); w.writeMany(['a', 'b', 'c', 'd']); w.close();
     const gone = new kren.Writer(name + '-gone', 4096); gone.close();
     const seen = [];
     process.on('uncaughtException', (error, origin) => seen.push(error.code + '@' + origin));
     const stream = kren.readable(name);
     stream.on('data', (message) => { seen.push(String(message)); if (String(message) === 'b') gone.write('x'); });
     stream.on('error', (error) => seen.push('error ' + error.message));
     stream.on('end', () => seen.push('end'));
     stream.on('close', () => {
       const out = kren.writable(name + '-out', 65536);
       const r = new kren.Reader(name + '-out');
       out.on('error', (error) => seen.push('error ' + error.message));
       out.write('1', () => { throw Object.assign(new Error(), { code: 'MINE' }); });
       out.end('2');
       out.on('close', () => { for (const m of r) seen.push(String(m)); r.close(); say(seen.join(' ')); });
     });`,
  );
  assert.equal(await other.line(), 'a b KREN_CLOSED@uncaughtException c d end MINE@uncaughtException 1 2');
  await assertFine(other);
  const dying = child(
    t,
    name,
    `const w = new kren.Writer(name, 65536); w.write('a');
     kren.readable(name).on('data', () => { throw new Error('mine'); }).on('error', () => say('error'));`,
  );
  const { code, output, errors } = await dying.end();
  assert.equal(output, '');
  assert.equal(code, 1);
  assert.match(errors, /Error: mine/);
});

test('a signal whose reason is the end of another channel is no end', async () => {
  const name = channelName();
  const writer = new kren.Writer(name, 4096);
  const gone = new kren.Writer(`${name}-gone`, 4096);
  gone.close();
  const controller = new AbortController();
  await assert.rejects(gone.writeAsync('x'), (error) => {
    setTimeout(() => controller.abort(error), 20);
    return true;
  });
  await assert.rejects(
    async () => {
      for await (const _ of kren.readable(name, { signal: controller.signal }));
    },
    krenError('KREN_CLOSED', gone.name),
  );
  assert.throws(() => kren.readable(name, { signal: 5 }), TypeError);
  await assert.rejects(once(kren.readable(name, { signal: controller.signal }), 'end'), {
    code: 'KREN_CLOSED',
  });
  writer.close();
  assertGone(name);
});

test('a death is told after the messages that came before it (G3)', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const w = new kren.Writer(name, 65536); for (let n = 0; n < 10; n++) w.write('' + n); say('written'); setInterval(() => {}, 1000);`,
  );
  await other.line();
  const stream = kren.readable(name);
  await once(stream, 'readable');
  await other.kill();
  // Long enough for the stream to hear of it, with all ten in its buffer.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const got = [];
  await assert.rejects(
    async () => {
      for await (const message of stream) got.push(`${message}`);
    },
    krenError('KREN_PEER_DIED', name),
  );
  assert.deepEqual(got, numbers(0, 10));
});

test('text is written in the encoding that is asked for', async (t) => {
  const name = channelName();
  const stream = kren.writable(name, 65536);
  const reader = new kren.Reader(name);
  stream.write('00ff', 'hex');
  stream.write('//8=', 'base64');
  stream.write('\xe9', 'latin1');
  stream.write('\xe9');
  stream.write(Buffer.from('b'), 'hex');
  stream.end('0102', 'hex');
  await once(stream, 'finish');
  const hex = [...reader].map((message) => message.toString('hex'));
  assert.deepEqual(hex, ['00ff', 'ffff', 'e9', 'c3a9', '62', '0102']);
  reader.close();
  const wrong = kren.writable(name, 65536);
  const refused = once(wrong, 'error');
  try {
    wrong.write('x', 'no such');
  } catch (error) {
    // Newer versions of Node.js look at it themselves.
    wrong.destroy(error);
  }
  assert.equal((await refused)[0].code, 'ERR_UNKNOWN_ENCODING');
  const other = kren.writable(name, 65536);
  const next = closing(t, new kren.Reader(name));
  other.setDefaultEncoding('utf16le').end('a');
  await once(other, 'finish');
  assert.equal(next.read().toString('hex'), '6100');
});

test('a writable that is destroyed with an error, or with chunks left, is no end (G4)', async (t) => {
  const broken = {
    error: (stream) => stream.destroy(new Error('broken')),
    left: (stream) => {
      stream.write(Buffer.alloc(5000));
      stream.write('never written');
      stream.destroy();
    },
    pipeline: (stream) =>
      pipeline(
        new Readable({
          read() {
            this.destroy(new Error('broken'));
          },
        }),
        stream,
      ),
  };
  for (const [way, destroy] of Object.entries(broken)) {
    const name = channelName();
    const stream = kren.writable(name, 8192);
    stream.on('error', () => {});
    const reader = closing(t, new kren.Reader(name));
    await new Promise((resolve) => stream.write(Buffer.alloc(4000, 'x'), resolve));
    Promise.resolve(destroy(stream)).catch(() => {});
    while (!stream.closed) await nextTurn();
    assert.equal(reader.read().length, 4000, way);
    assert.throws(() => reader.read(), krenError('KREN_PEER_DIED', name), way);
    // Another one goes on with it.
    const next = kren.writable(name, 8192);
    next.end('more');
    assert.equal(`${await reader.readAsync()}`, 'more');
    await assert.rejects(reader.readAsync(), krenError('KREN_CLOSED', name), way);
    reader.close();
    assertGone(name);
  }
  const name = channelName();
  kren
    .writable(name, 4096)
    .destroy(new Error('nobody was there'))
    .on('error', () => {});
  assertGone(name);
});

test('a blocked reader hears of a writable that is destroyed, at once', async (t) => {
  const name = channelName();
  const stream = kren.writable(name, 4096);
  stream.on('error', () => {});
  const other = child(
    t,
    name,
    `const r = new kren.Reader(name); say('there'); try { r.read(); } catch (error) { say(error.code); } r.close();`,
  );
  assert.equal(await other.line(), 'there');
  stream.destroy(new Error('broken'));
  assert.equal(await other.line(), 'KREN_PEER_DIED');
  await assertFine(other);
  assertGone(name);
});

test('a chunk that lost its memory on its way is an error, not an empty message', async (t) => {
  const name = channelName();
  const stream = kren.writable(name, 4096);
  const reader = closing(t, new kren.Reader(name));
  const failed = once(stream, 'error');
  stream.write(Buffer.alloc(4000));
  const chunk = new Uint8Array(100);
  stream.write('before');
  stream.write(chunk);
  structuredClone(chunk, { transfer: [chunk.buffer] });
  assert.equal(reader.read().length, 4000);
  assert.equal(`${await reader.readAsync()}`, 'before');
  const [error] = await failed;
  assert.match(error.message, /lost its memory/);
  await assert.rejects(reader.readAsync(), krenError('KREN_PEER_DIED', name));
});
