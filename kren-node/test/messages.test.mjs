// G1, G2: messages arrive whole, in order, exactly as written, up to the largest that fits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { assertFine, channelName, child, closing, kren, krenError, pair } from './support/index.mjs';

test('every kind of data is sent as the bytes it covers (G1)', (t) => {
  const [writer, reader] = pair(t);
  const memory = Uint8Array.from({ length: 32 }, (_, i) => i + 1).buffer;
  const shared = new SharedArrayBuffer(16);
  new Uint8Array(shared).fill(9, 4, 12);
  const cases = [
    [Buffer.from('buffer'), Buffer.from('buffer')],
    ['text: ä€😀', Buffer.from('text: ä€😀', 'utf8')],
    ['lone \ud800 surrogate', Buffer.from('lone \ufffd surrogate', 'utf8')],
    ['', Buffer.alloc(0)],
    [new Uint8Array(memory, 3, 5), Buffer.from([4, 5, 6, 7, 8])],
    [new Uint16Array(memory, 2, 2), Buffer.from([3, 4, 5, 6])],
    [new Float64Array(memory, 8, 1), Buffer.from([9, 10, 11, 12, 13, 14, 15, 16])],
    [new BigInt64Array(memory, 0, 1), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])],
    [new DataView(memory, 30, 2), Buffer.from([31, 32])],
    [new Uint8Array([1, 2, 3]).subarray(1), Buffer.from([2, 3])],
    [memory, Buffer.from(memory)],
    [shared, Buffer.from(shared)],
    [new Uint8Array(shared, 3, 3), Buffer.from([0, 9, 9])],
    [vm.runInNewContext('new Uint8Array([7, 8]).buffer'), Buffer.from([7, 8])],
    [vm.runInNewContext('new Uint8Array([7, 8])'), Buffer.from([7, 8])],
  ];
  for (const [data] of cases) {
    writer.write(data);
    assert.equal(writer.tryWrite(data), true);
  }
  for (const [data, expected] of cases) {
    for (const message of [reader.read(), reader.tryRead()]) {
      assert.ok(Buffer.isBuffer(message));
      assert.deepEqual(message, expected, `${data}`);
    }
  }
});

test('anything else is refused with a TypeError that says what is accepted', (t) => {
  const [writer, reader] = pair(t);
  for (const data of [undefined, null, 1, 1n, true, {}, [1, 2], Symbol('x'), () => {}, new Map()]) {
    assert.throws(() => writer.write(data), {
      name: 'TypeError',
      message: /^data must be a string, Buffer, .*not /,
    });
    assert.throws(() => writer.tryWrite(data), TypeError);
  }
  assert.equal(reader.tryRead(), null);
});

test('a message may be empty, and as large as the ring less 8 (G2)', (t) => {
  for (const capacity of [1, 4096, 65536, 3 * 1024 * 1024]) {
    const [writer, reader] = pair(t, capacity);
    assert.equal(writer.maxMessageLength, writer.capacity - 8);
    assert.equal(reader.capacity, writer.capacity);
    const largest = Buffer.alloc(writer.maxMessageLength);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < largest.length; i += 61) largest[i] = i + round;
      writer.write(largest);
      assert.equal(writer.available, 0);
      assert.ok(reader.read().equals(largest));
      writer.write(new Uint8Array(0));
      assert.equal(reader.read().length, 0);
    }
    assert.throws(
      () => writer.write(Buffer.alloc(writer.maxMessageLength + 1)),
      krenError('KREN_TOO_LARGE', writer.name, new RegExp(`${writer.maxMessageLength + 1} bytes`)),
    );
    assert.throws(
      () => writer.tryWrite(Buffer.alloc(writer.capacity)),
      krenError('KREN_TOO_LARGE', writer.name),
    );
  }
});

test('messages that were handed out stay as they are, whatever comes later (G1)', (t) => {
  const [writer, reader] = pair(t, 4 * 1024 * 1024);
  const lengths = [0, 1, 7, 8, 9, 511, 512, 4095, 4096, 4097, 9000, 70000];
  const kept = [];
  for (let i = 0; i < 600; i++) {
    const length = lengths[i % lengths.length];
    writer.write(Buffer.alloc(length, i % 251));
    kept.push(reader.read());
  }
  for (const [i, message] of kept.entries()) {
    const expected = Buffer.alloc(lengths[i % lengths.length], i % 251);
    assert.ok(message.equals(expected), `message ${i}`);
    message.fill(255);
    const next = kept[i + 1];
    if (next?.length > 0) assert.equal(next[0], (i + 1) % 251, 'messages do not overlap');
  }
});

test('transferring the memory of one message harms no other (G1)', (t) => {
  const [writer, reader] = pair(t);
  writer.write('first');
  const first = reader.read();
  try {
    structuredClone(first.buffer, { transfer: [first.buffer] });
    first.buffer.transfer?.();
  } catch (error) {
    assert.equal(error.name, 'DataCloneError');
  }
  writer.write('second');
  assert.equal(reader.read().toString(), 'second');
});

test('a tag travels with its message', (t) => {
  const [writer, reader] = pair(t);
  assert.equal(reader.lastTag, 0);
  writer.write('a', { tag: 7 });
  writer.write('b');
  assert.equal(writer.tryWrite('c', { tag: 4294967295 }), true);
  const tags = [];
  for (let i = 0; i < 3; i++) {
    reader.read();
    tags.push(reader.lastTag);
  }
  assert.deepEqual(tags, [7, 0, 4294967295]);
  for (const tag of [-1, 1.5, 4294967296, Number.NaN]) {
    assert.throws(
      () => writer.write('x', { tag }),
      krenError('KREN_INVALID_OPTION', writer.name, /option tag/),
    );
  }
  assert.throws(() => writer.write('x', { tag: '1' }), TypeError);
});

test('messages of all lengths from another process arrive byte for byte (G1)', async (t) => {
  const name = channelName();
  const make = `
    const block = Buffer.alloc(131072);
    for (let i = 0, x = 1; i < block.length; i++) block[i] = (x = Math.imul(x, 1103515245) + 12345) >>> 16;
    const message = (i) => block.subarray(i % 65536, (i % 65536) + (Math.imul(i, 2654435761) >>> 0) % 65537);
  `;
  const count = 4000;
  child(
    t,
    name,
    `${make} const writer = new kren.Writer(name, 256 * 1024);
     for (let i = 0; i < ${count}; i++) writer.write(message(i));`,
  );
  const expected = new Function('Buffer', `${make} return message;`)(Buffer);
  const reader = closing(t, new kren.Reader(name, { timeout: 20_000 }));
  let received = 0;
  for (const message of reader) {
    assert.ok(message.equals(expected(received)), `message ${received}`);
    received += 1;
  }
  assert.equal(received, count);
});

test('and to another process, through the asynchronous calls (G1)', async (t) => {
  const name = channelName();
  const reading = child(
    t,
    name,
    `(async () => {
      const reader = await kren.connect(name, { timeout: 20000 });
      let next = 0;
      for await (const message of reader) {
        if (message.readUInt32LE() !== next || !message.subarray(4).equals(Buffer.alloc(next % 3000, next))) {
          throw new Error('message ' + next);
        }
        next += 1;
      }
      say(String(next));
    })();`,
  );
  const writer = closing(t, new kren.Writer(name, 16384));
  for (let i = 0; i < 5000; i++) {
    const message = Buffer.alloc(4 + (i % 3000), i);
    message.writeUInt32LE(i);
    await writer.writeAsync(message);
  }
  await writer.flushAsync();
  writer.close();
  assert.equal(await reading.line(), '5000');
  await assertFine(reading);
});

test('data without its memory is refused, and is no empty message (G1)', (t) => {
  const [writer, reader] = pair(t);
  const detached = (view) => {
    structuredClone(view, { transfer: [view.buffer ?? view] });
    return view;
  };
  const [other, lender] = pair(t);
  other.write(Buffer.alloc(20_000));
  const borrowed = lender.borrow();
  borrowed.release();
  const gone = [
    borrowed.data,
    ...[Uint8Array, Float64Array, BigInt64Array].map((Type) => detached(new Type(4))),
    detached(new DataView(new ArrayBuffer(4))),
    detached(new ArrayBuffer(4)),
  ];
  if (ArrayBuffer.prototype.resize) {
    const views = [(buffer) => new Uint8Array(buffer, 50), (buffer) => new Float32Array(buffer, 0, 20)];
    views.push((buffer) => new DataView(buffer, 50));
    for (const view of views) {
      const buffer = new ArrayBuffer(100, { maxByteLength: 100 });
      gone.push(view(buffer));
      buffer.resize(10);
    }
  }
  for (const data of gone) {
    const lost = { name: 'TypeError', message: /lost its memory/ };
    assert.throws(() => writer.write(data), lost);
    assert.throws(() => writer.tryWrite(data), lost);
    assert.throws(() => writer.writeMany([data]), lost);
  }
  const empty = [
    Buffer.alloc(0),
    new Float64Array(0),
    new DataView(new ArrayBuffer(0)),
    new ArrayBuffer(0),
    '',
  ];
  assert.equal(writer.writeMany(empty), 5);
  for (const message of reader.readMany(9)) assert.equal(message.length, 0);
  assert.equal(reader.tryRead(), null);
});

test('memory that can grow is written as it is at the call', (t) => {
  const [writer, reader] = pair(t);
  if (!ArrayBuffer.prototype.resize) return;
  for (const Type of [ArrayBuffer, SharedArrayBuffer]) {
    const memory = new Type(8, { maxByteLength: 64 });
    new Uint8Array(memory).fill(7);
    writer.write(memory);
    if (Type === ArrayBuffer) memory.resize(64);
    else memory.grow(64);
    writer.write(new Uint8Array(memory));
    assert.ok(reader.read().equals(Buffer.alloc(8, 7)));
    assert.equal(reader.read().length, 64);
  }
});
