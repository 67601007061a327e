// Arrays in messages: docs/spec/payloads.md with its golden files, and what users do with them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { krenError, leaving, packageFolder, pair } from './support/index.mjs';

const folder = join(packageFolder, '..', 'docs', 'spec', 'payloads');
const cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'));
const golden = (file) => readFileSync(join(folder, file));
/** The native layer lends copies alone. */
const isNative = process.env.KREN_NODE_RING === 'native';

const SIZES = { complex128: 16, complex64: 8, int64: 8, uint64: 8, float64: 8 };
const sizeOf = (dtype) => SIZES[dtype] ?? Number(/^(?:u?int|b?float)(\d+)/.exec(dtype)?.[1] ?? 8) / 8;

/** The data of golden files. */
function goldenData({ dtype, shape }) {
  const length = shape.reduce((product, dim) => product * dim, sizeOf(dtype));
  return Uint8Array.from({ length }, (_, k) => (dtype === 'bool' ? k % 2 : 7 * k + 3));
}

const bytesOf = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

function assertIs(array, { dtype, shape }) {
  assert.equal(array.dtype, dtype);
  assert.deepEqual(array.shape, shape);
  assert.deepEqual(bytesOf(array.data), Buffer.from(goldenData({ dtype, shape })));
}

test('golden arrays are read and written', (t) => {
  const [writer, reader] = pair(t, 1 << 20, { alignment: 64 });
  for (const one of cases.filter(({ kind }) => kind === 'array')) {
    const bytes = golden(one.file);
    writer.write(bytes, { tag: 5 });
    assertIs(reader.readArray(), one);
    assert.equal(reader.lastTag, 5);
    writer.write(bytes, { tag: 6 });
    const borrowed = reader.borrowArray();
    assertIs(borrowed, one);
    assert.equal(borrowed.tag, 6);
    borrowed.release();
    assert.equal(borrowed.data.length, 0);
    writer.writeArray(goldenData(one), one);
    assert.ok(reader.read().equals(bytes), one.file);
  }
});

test('golden messages of several arrays are read and written', (t) => {
  const [writer, reader] = pair(t, 1 << 20, { alignment: 64 });
  for (const { file, parts } of cases.filter(({ kind }) => kind === 'arrays')) {
    const bytes = golden(file);
    writer.write(bytes);
    writer.write(bytes);
    const borrowed = reader.borrowArrays();
    for (const arrays of [borrowed.arrays, reader.readArrays()]) {
      assert.deepEqual(
        Object.keys(arrays),
        parts.map(({ name }) => name),
      );
      for (const part of parts) assertIs(arrays[part.name], part);
    }
    borrowed.release();
    // What the ring held before must not be seen.
    const dirt = writer.reserve(4096);
    dirt.data.fill(0xee);
    dirt.abort();
    const inputs = parts.map((part) => [part.name, { data: goldenData(part), ...part }]);
    writer.writeArrays(Object.fromEntries(inputs));
    assert.ok(reader.read().equals(bytes), file);
  }
});

test('bad golden files are refused, and stay the next message (G7)', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  const refused = krenError('KREN_NOT_AN_ARRAY', reader.name, /cannot be read as asked: it /);
  for (const { file } of cases.filter(({ kind }) => kind === 'bad')) {
    const bytes = golden(file);
    writer.write(bytes);
    for (const read of [
      'readArray',
      'borrowArray',
      'readArrays',
      'borrowArrays',
      'readTable',
      'borrowTable',
    ]) {
      assert.throws(() => reader[read](), refused, `${file} ${read}`);
    }
    assert.ok(reader.read().equals(bytes), file);
  }
  assert.equal(reader.held, 0);
});

test('any bytes are an array or are refused (G7)', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  const sound = ['float32-2x3.bin', 'int8-6d.bin', 'several.bin'].map(golden);
  let seed = 1;
  const random = (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  let refusals = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(sound[round % sound.length]);
    for (let i = random(3); i >= 0; i--) bytes[random(bytes.length)] = [0, 1, 127, 128, 255][random(5)];
    writer.write(bytes);
    for (const read of ['readArray', 'readArrays']) {
      try {
        reader[read]();
        writer.write(bytes);
      } catch (error) {
        assert.equal(error.code, 'KREN_NOT_AN_ARRAY');
        refusals += 1;
      }
    }
    reader.read();
  }
  assert.ok(refusals > 20_000);
});

test('typed arrays arrive as what they are', (t) => {
  const [writer, reader] = pair(t, 1 << 20, { alignment: 64 });
  const arrays = [
    [new Int8Array([-1]), 'int8'],
    [new Uint8Array([255]), 'uint8'],
    [Buffer.from([1, 2]), 'uint8'],
    [new Uint8ClampedArray([7]), 'uint8'],
    [new Int16Array([-300]), 'int16'],
    [new Uint16Array([65535]), 'uint16'],
    [new Int32Array([-70000]), 'int32'],
    [new Uint32Array([4e9]), 'uint32'],
    [new Float32Array([0.5, -0]), 'float32'],
    [new Float64Array([Math.PI]), 'float64'],
    [new BigInt64Array([-(2n ** 63n)]), 'int64'],
    [new BigUint64Array([2n ** 64n - 1n]), 'uint64'],
    [new Float64Array(20_000).subarray(3), 'float64'],
  ];
  if (globalThis.Float16Array) arrays.push([new Float16Array([1.5]), 'float16']);
  for (const [data, dtype] of arrays) {
    writer.writeArray(data);
    const received = reader.readArray();
    assert.equal(received.dtype, dtype);
    assert.deepEqual(received.shape, [data.length]);
    assert.ok(bytesOf(received.data).equals(bytesOf(data)));
    // A copy of its own, which may be transferred.
    assert.equal(received.data.buffer.byteLength, received.data.byteLength);
    writer.writeArrays({ data });
    assert.equal(reader.readArrays().data.dtype, dtype);
  }
  writer.writeArray(new Uint16Array([0x3f80]), { dtype: 'bfloat16', shape: [1, 1] });
  const bits = reader.readArray();
  assert.deepEqual([bits.dtype, bits.shape, bits.data], ['bfloat16', [1, 1], new Uint16Array([0x3f80])]);
});

test('each array has its own header, whatever was written before', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  const shape = [2, 3];
  const write = (data, dtype) => {
    writer.writeArray(data, { shape, dtype });
    const read = reader.readArray();
    return [read.dtype, ...read.shape];
  };
  const six = new Float32Array(6);
  assert.deepEqual(write(six), ['float32', 2, 3]);
  assert.deepEqual(write(six), ['float32', 2, 3]);
  // The same object, changed.
  shape.reverse();
  assert.deepEqual(write(six), ['float32', 3, 2]);
  assert.deepEqual(write(new Int32Array(6)), ['int32', 3, 2]);
  assert.deepEqual(write(new Uint8Array(24), 'uint32'), ['uint32', 3, 2]);
  shape.push(1);
  assert.deepEqual(write(six), ['float32', 3, 2, 1]);
  shape.splice(0, 3, 6, 0);
  assert.deepEqual(write(new Float32Array(0)), ['float32', 6, 0]);
  shape[0] = 7;
  assert.deepEqual(write(new Float32Array(0)), ['float32', 7, 0]);
});

test('what cannot be sent is refused, and nothing is written', (t) => {
  const [writer, reader] = pair(t, 4096);
  const six = new Float32Array(6);
  assert.throws(() => writer.writeArray(six, { shape: [2, 2] }), RangeError);
  assert.throws(() => writer.writeArray(six, { shape: [-2, -3] }), RangeError);
  assert.throws(() => writer.writeArray(six, { shape: [1.5, 4] }), RangeError);
  assert.throws(() => writer.writeArray(six, { shape: '6' }), RangeError);
  assert.throws(() => writer.writeArray(new Uint8Array(1), { shape: new Array(14).fill(1) }), RangeError);
  assert.throws(() => writer.writeArray(new Uint8Array(0), { shape: [2 ** 50, 2 ** 50, 0] }), RangeError);
  assert.throws(() => writer.writeArray(six, { dtype: 'int32' }), TypeError);
  assert.throws(() => writer.writeArray(six, { dtype: 'float31' }), /float31.*float32/);
  assert.throws(
    () => writer.writeArray(new Uint8Array(3), { dtype: 'int16' }),
    /3 bytes.*whole number of int16/,
  );
  assert.throws(() => writer.writeArray(new DataView(new ArrayBuffer(4))), /dtype/);
  assert.throws(() => writer.writeArray([1, 2]), /typed array/);
  assert.throws(() => writer.writeArrays({ '': six }), /1 to 48 bytes/);
  assert.throws(() => writer.writeArrays({ ['n'.repeat(49)]: six }), RangeError);
  assert.throws(() => writer.writeArray(new Uint8Array(4096)), krenError('KREN_TOO_LARGE', writer.name));
  writer.write(Buffer.alloc(3900));
  assert.throws(
    () => writer.writeArray(new Uint8Array(200), { timeout: 5 }),
    krenError('KREN_TIMED_OUT', writer.name),
  );
  assert.equal(reader.read().length, 3900);
  assert.equal(reader.tryRead(), null);
  const reserved = writer.reserve(4);
  assert.throws(() => writer.writeArray(six), krenError('KREN_BUSY', writer.name));
  reserved.abort();
});

test('a borrowed array is the ring, until it is released or its reader closes (G2)', {
  skip: isNative,
}, (t) => {
  const [writer, reader] = pair(t, 1 << 20, { alignment: 64 });
  leaving(t, writer.name);
  const data = Float64Array.from({ length: 10_000 }, (_, i) => i);
  for (let i = 0; i < 3; i++) writer.writeArray(data, { shape: [100, 100] });
  const [first, second, third] = [1, 2, 3].map(() => reader.borrowArray());
  const part = second.data.subarray(5);
  const held = reader.held;
  assert.ok(held > 240_000);
  second.release();
  assert.equal(part.length, 0);
  assert.equal(reader.held, held);
  first[Symbol.dispose]();
  assert.ok(reader.held < held / 2);
  assert.deepEqual(third.data, data);
  reader.close();
  assert.equal(third.data.length, 0);
});

test('arrays are awaited and iterated over', async (t) => {
  const [writer, reader] = pair(t, 65536);
  const waiting = reader.readArrayAsync({ timeout: 20_000 });
  await writer.writeArrayAsync(new Int16Array([1, 2]));
  assert.deepEqual((await waiting).data, new Int16Array([1, 2]));
  await assert.rejects(reader.readArrayAsync({ timeout: 5 }), krenError('KREN_TIMED_OUT', reader.name));
  await assert.rejects(reader.readArrayAsync({ signal: AbortSignal.abort('enough') }), /enough/);
  // Room that is waited for.
  writer.writeArray(new Uint8Array(60_000));
  const late = writer.writeArrayAsync(new Uint8Array(60_000).fill(1));
  assert.equal(reader.readArray().data[0], 0);
  await late;
  assert.equal(reader.readArray().data[0], 1);
  const shrinking = new Uint8Array(60_000);
  writer.writeArray(new Uint8Array(60_000));
  const changed = writer.writeArrayAsync(shrinking);
  structuredClone(shrinking, { transfer: [shrinking.buffer] });
  reader.readArray();
  await assert.rejects(changed, TypeError);
  await assert.rejects(writer.writeArrayAsync([]), TypeError);
  const several = reader.readArraysAsync();
  writer.writeArrays({ a: new Uint8Array([9]) });
  assert.equal((await several).a.data[0], 9);
  writer.write('bytes');
  await assert.rejects(reader.readArrayAsync(), krenError('KREN_NOT_AN_ARRAY', reader.name));
  reader.read();
  for (let i = 0; i < 4; i++) writer.writeArray(new Uint8Array([i]));
  const seen = [];
  for await (const { data } of reader.arrays()) {
    seen.push(data[0]);
    if (seen.length === 2) break;
  }
  writer.close();
  for (const { data } of reader.arrays()) seen.push(data[0]);
  assert.deepEqual(seen, [0, 1, 2, 3]);
});
