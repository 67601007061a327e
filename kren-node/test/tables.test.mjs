// Tables in messages, with the package apache-arrow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as arrow from 'apache-arrow';
import { assertFine, channelName, child, krenError, pair } from './support/index.mjs';

const table = () =>
  arrow.tableFromArrays({
    number: Int32Array.from({ length: 5000 }, (_, i) => i),
    name: Array.from({ length: 5000 }, (_, i) => `row ${i}`),
  });

const rows = (one) => one.toArray().map((row) => row.toJSON());

for (const [how, options] of [
  ['required', undefined],
  ['given', { arrow }],
]) {
  test(`a table arrives, with apache-arrow ${how}`, async (t) => {
    const [writer, reader] = pair(t, 1 << 20, { alignment: 64 });
    const sent = how === 'given' ? table() : arrow.tableToIPC(table(), 'stream');
    writer.writeTable(sent, { tag: 3, ...options });
    writer.writeTable(sent, options);
    writer.writeTable(sent, options);
    const read = reader.readTable(options);
    assert.equal(reader.lastTag, 3);
    assert.deepEqual(rows(read), rows(table()));
    assert.equal((await reader.readTableAsync(options)).numRows, 5000);
    const borrowed = reader.borrowTable(options);
    const column = borrowed.table.getChild('number');
    assert.equal(column.get(4999), 4999);
    const data = column.data[0].values;
    assert.ok(reader.held > 20_000 || process.env.KREN_NODE_RING === 'native');
    borrowed.release();
    assert.equal(data.length, 0, 'the column is the ring itself, which is taken back');
    assert.equal(reader.held, 0);
  });
}

test('a message that is no table stays the next one', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  writer.writeArray(new Uint8Array(3));
  const refused = krenError('KREN_NOT_AN_ARRAY', reader.name, /it is an array/);
  assert.throws(() => reader.readTable(), refused);
  assert.throws(() => reader.borrowTable(), refused);
  assert.equal(reader.readArray().data.length, 3);
  writer.writeTable(new Uint8Array(100).fill(7));
  for (const read of ['readTable', 'borrowTable']) {
    assert.throws(() => reader[read](), krenError('KREN_NOT_AN_ARRAY', reader.name, /Arrow/));
  }
  assert.equal(reader.held, 0);
  assert.equal(reader.read().length, 164);
});

test('a batch is a table of one, and what is no table is refused', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  writer.writeTable(table().batches[0], { arrow });
  assert.deepEqual(rows(reader.readTable()), rows(table()));
  for (const given of [undefined, [1], { n: [1] }, 'text', new Float32Array(3)]) {
    assert.throws(() => writer.writeTable(given), {
      name: 'TypeError',
      message: /Table or a RecordBatch.*writeArray/,
    });
  }
  assert.equal(reader.tryRead(), null);
});

// What its metadata say apache-arrow believes: of changed bytes it may make anything at all (README.md).
test('tables that are cut off, or whose header is damaged, are refused (G7)', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  writer.writeTable(arrow.tableToIPC(arrow.tableFromArrays({ n: [1, 2, 3], s: ['a', 'b', 'c'] }), 'stream'));
  const sound = reader.read();
  let refused = 0;
  const look = (message) => {
    writer.write(message);
    try {
      reader.readTable({ arrow });
    } catch (error) {
      assert.equal(error.code, 'KREN_NOT_AN_ARRAY', error);
      refused += 1;
      reader.read();
    }
    assert.equal(reader.available, 0);
  };
  for (let at = 0; at < sound.length; at++) {
    look(sound.subarray(0, at));
    if (at < 24 && at !== 7) {
      const message = Buffer.from(sound);
      message[at] ^= 255;
      look(message);
    }
  }
  assert.ok(refused >= sound.length + 8, `${refused}`);
});

test('apache-arrow is optional', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const Module = require('node:module'); const load = Module._load;
     Module._load = (request, ...rest) => {
       if (request === 'apache-arrow') throw new Error('not installed');
       return load(request, ...rest);
     };
     const w = new kren.Writer(name, 4096), r = new kren.Reader(name);
     for (const call of [() => w.writeTable({}), () => r.readTable(), () => r.borrowTable()]) {
       try { call(); } catch (error) { say(error.message); }
     }
     r.close(); w.close();`,
  );
  for (let i = 0; i < 3; i++) assert.match(await other.line(), /npm install apache-arrow.*\{ arrow/);
  await assertFine(other);
});
