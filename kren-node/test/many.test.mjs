// Several messages with one call, and messages into memory of the caller's own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFine, child, closing, kren, krenError, pair } from './support/index.mjs';

const texts = (messages) => messages.map(String);

test('readMany takes what is there, in order, and no more than asked for (G1)', (t) => {
  const [writer, reader] = pair(t);
  for (const text of ['a', 'bc', '', 'def']) writer.write(text, { tag: text.length });
  assert.deepEqual(texts(reader.readMany(3)), ['a', 'bc', '']);
  assert.equal(reader.lastTag, 0);
  assert.deepEqual(texts(reader.readMany(100)), ['def']);
  assert.equal(reader.lastTag, 3);
  assert.throws(() => reader.readMany(1, { timeout: 5 }), krenError('KREN_TIMED_OUT', reader.name));
  for (const max of [0, -1, 1.5, Number.NaN, '3', undefined]) {
    assert.throws(() => reader.readMany(max), RangeError);
  }
});

test('readMany gives room back while it goes, and all of it at the end', (t) => {
  const [writer, reader] = pair(t, 65536);
  for (let round = 0; round < 50; round++) {
    let sent = 0;
    while (writer.tryWrite(`${sent}`.padEnd(1000))) sent += 1;
    const messages = reader.readMany(1000);
    assert.equal(messages.length, sent);
    assert.deepEqual(
      messages.map((message) => message.toString().trim()),
      messages.map((_, i) => `${i}`),
    );
    assert.equal(reader.available, 0);
    assert.equal(writer.available, writer.maxMessageLength);
  }
});

test('readMany waits for the first message, and hears of the end', async (t) => {
  const [writer, reader] = pair(t);
  const back = closing(t, new kren.Writer(`${writer.name}-back`, 4096));
  const other = child(
    t,
    back.name,
    `const r = new kren.Reader(name), w = new kren.Writer(${JSON.stringify(`${writer.name}-more`)}, 4096);
     r.read(); w.writeMany(['x', 'y']); r.read(); w.close();`,
  );
  const more = closing(t, await kren.connect(`${writer.name}-more`, { timeout: 20_000 }));
  back.write('go');
  let got = [];
  while (got.length < 2) got = got.concat(texts(more.readMany(10)));
  assert.deepEqual(got, ['x', 'y']);
  back.write('end');
  assert.throws(() => more.readMany(10), krenError('KREN_CLOSED', more.name));
  await assertFine(other);
  assert.equal(reader.tryRead(), null);
});

test('writeMany writes all, whatever can be iterated over', (t) => {
  const [writer, reader] = pair(t);
  assert.equal(writer.writeMany(['a', Buffer.from('b'), new Uint16Array([0x6463])]), 3);
  assert.equal(writer.writeMany(new Set(['e']), { tag: 7 }), 1);
  assert.equal(writer.writeMany([]), 0);
  assert.deepEqual(texts(reader.readMany(10)), ['a', 'b', 'cd', 'e']);
  assert.equal(reader.lastTag, 7);
});

test('writeMany shows its messages together, and those it wrote when it fails', (t) => {
  const [writer, reader] = pair(t, 4096);
  const seen = [];
  function* messages() {
    for (const text of ['a', 'b', 'c']) {
      yield text;
      seen.push(reader.available);
    }
    throw new Error('enough');
  }
  assert.throws(() => writer.writeMany(messages()), { message: 'enough' });
  if (process.env.KREN_NODE_RING !== 'native') assert.deepEqual(seen, [0, 0, 0]);
  assert.deepEqual(texts(reader.readMany(10)), ['a', 'b', 'c']);
  assert.throws(() => writer.writeMany(['d', 5]), TypeError);
  assert.deepEqual(texts(reader.readMany(10)), ['d']);
  const large = Buffer.alloc(1000, 'e');
  assert.throws(
    () => writer.writeMany(Array(10).fill(large), { timeout: 5 }),
    krenError('KREN_TIMED_OUT', writer.name),
  );
  assert.equal(reader.readMany(10).length, 4);
  assert.throws(() => writer.writeMany(['f', Buffer.alloc(5000)]), krenError('KREN_TOO_LARGE', writer.name));
  assert.deepEqual(texts(reader.readMany(10)), ['f']);
});

test('what an iterable writes itself comes in the order in which it was written (G1)', (t) => {
  const [writer, reader] = pair(t, 4096);
  function* messages() {
    yield 'first';
    writer.write('second');
    yield 'third';
    assert.equal(writer.tryWrite('fourth'), true);
  }
  writer.writeMany(messages());
  assert.deepEqual(texts(reader.readMany(10)), ['first', 'second', 'third', 'fourth']);
});

test('writeMany waits for room, whatever it takes (G1)', async (t) => {
  const [writer, reader] = pair(t, 4096);
  const other = child(
    t,
    writer.name,
    `let n = 0; const r = new kren.Reader(name + '-x', { timeout: 20000 });
     for (;;) for (const message of r.readMany(7)) {
       if (message.readUInt32LE() !== n || message.length !== 4 + (n % 500)) throw new Error('message ' + n);
       n += 1;
       if (n === 20000) { say('all'); process.exit(0); }
     }`,
  );
  const there = closing(t, new kren.Writer(`${writer.name}-x`, 4096));
  function* messages() {
    for (let n = 0; n < 20_000; n++) {
      const message = Buffer.alloc(4 + (n % 500), n);
      message.writeUInt32LE(n);
      yield message;
    }
  }
  assert.equal(there.writeMany(messages()), 20_000);
  assert.equal(await other.line(), 'all');
  assert.equal(reader.tryRead(), null);
});

test('readInto fills the start of what it is given', (t) => {
  const [writer, reader] = pair(t);
  writer.write('hello', { tag: 9 });
  const target = Buffer.alloc(8, '-');
  assert.equal(reader.readInto(target), 5);
  assert.equal(target.toString(), 'hello---');
  assert.equal(reader.lastTag, 9);
  for (const length of [0, 1, 8, 2047, 2048, 2049, 20_000]) {
    const message = Buffer.from(Array.from({ length }, (_, i) => i * 7));
    for (const start of [0, 1, 8]) {
      writer.write(message);
      const room = new Uint8Array(start + length + 3).subarray(start);
      assert.equal(reader.readInto(room), length);
      assert.deepEqual(Buffer.from(room.subarray(0, length)), message);
      assert.deepEqual([...room.subarray(length)], [0, 0, 0]);
    }
  }
  assert.throws(() => reader.readInto(target, { timeout: 5 }), krenError('KREN_TIMED_OUT', reader.name));
});

test('a message that is too long for its target stays', (t) => {
  const [writer, reader] = pair(t);
  writer.write('hello');
  assert.throws(() => reader.readInto(new Uint8Array(4)), {
    name: 'RangeError',
    message: /has 5 bytes and the target 4; give a larger one, the message is still there/,
  });
  assert.equal(reader.read().toString(), 'hello');
  for (const target of [undefined, 'x', new Uint16Array(4), new DataView(new ArrayBuffer(4))]) {
    assert.throws(() => reader.readInto(target), TypeError);
  }
});

test('calls that would block are refused while asynchronous ones wait', async (t) => {
  const [writer, reader] = pair(t, 4096);
  const next = reader.readAsync();
  const busy = (call) => assert.throws(call, krenError('KREN_BUSY', reader.name));
  busy(() => reader.readMany(1));
  busy(() => reader.readInto(new Uint8Array(1)));
  busy(() => reader.borrow());
  writer.write('x');
  assert.equal((await next).toString(), 'x');
  writer.write(Buffer.alloc(4000));
  const written = writer.writeAsync(Buffer.alloc(4000));
  busy(() => writer.writeMany(['x']));
  busy(() => writer.reserve(1));
  reader.read();
  await written;
  assert.equal(reader.read().length, 4000);
});

test('writeMany refuses one message that could be taken for several', (t) => {
  const [writer, reader] = pair(t);
  const one = [
    'abc',
    '',
    Object('abc'),
    Buffer.from('abc'),
    Buffer.alloc(0),
    new Float64Array(2),
    new DataView(new ArrayBuffer(2)),
  ];
  for (const messages of one) {
    assert.throws(() => writer.writeMany(messages), { name: 'TypeError', message: /one alone: write\(\)/ });
  }
  async function* later() {
    yield 'a';
  }
  assert.throws(() => writer.writeMany(later()), { name: 'TypeError', message: /writeAsync\(\) each/ });
  for (const messages of [undefined, null, 5, {}, new ArrayBuffer(2)]) {
    assert.throws(() => writer.writeMany(messages), { name: 'TypeError', message: /must be an iterable/ });
  }
  assert.throws(() => writer.writeMany(new Map([['a', 'b']])), TypeError);
  assert.equal(reader.tryRead(), null);
});
