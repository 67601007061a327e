// What a channel's messages are: said at creation, compared at connecting.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelName, closing, kren, krenError } from './support/index.mjs';

const SCHEMAS = [
  ['MessagePack: [id, price]', 'MessagePack: [id, price]'],
  [{ dtype: 'float32', shape: [480, 640, 3] }, 'array float32 [480, 640, 3]'],
  [{ dtype: 'uint8', shape: [null, 3] }, 'array uint8 [*, 3]'],
  [{ dtype: 'bfloat16', shape: [] }, 'array bfloat16 []'],
];

test('both sides say the same', async () => {
  for (const [schema, text] of SCHEMAS) {
    const name = channelName();
    const writer = new kren.Writer(name, 4096, { schema });
    const reader = new kren.Reader(name, { schema });
    assert.deepEqual([writer.schema, reader.schema], [text, text]);
    reader.close();
    const other = await kren.connect(name, { schema });
    assert.equal(other.schema, text);
    other.close();
    writer.close();
  }
});

test('another schema is refused, and the error says both', async (t) => {
  const name = channelName();
  const writer = closing(t, new kren.Writer(name, 4096, { schema: { dtype: 'float32', shape: [2] } }));
  const schema = { dtype: 'float64', shape: [2] };
  const refused = krenError('KREN_SCHEMA_MISMATCH', name, /array float32 \[2\].*array float64 \[2\]/);
  assert.throws(() => new kren.Reader(name, { schema }), refused);
  await assert.rejects(kren.connect(name, { schema, timeout: 10_000 }), refused);
  assert.equal(writer.readerState, 'never_attached');
  // Who waits for the channel is refused when it comes.
  const later = channelName();
  const waiting = kren.connect(later, { schema, timeout: 20_000 });
  closing(t, new kren.Writer(later, 4096, { schema: 'words' }));
  await assert.rejects(waiting, krenError('KREN_SCHEMA_MISMATCH', later, /words/));
});

test('who says nothing accepts anything', (t) => {
  const name = channelName();
  const writer = closing(t, new kren.Writer(name, 4096));
  const reader = closing(t, new kren.Reader(name, { schema: 'anything' }));
  assert.deepEqual([writer.schema, reader.schema], [undefined, undefined]);
});

test('what is no schema is refused', () => {
  const name = channelName();
  for (const schema of [7, {}, { dtype: 'float31', shape: [1] }]) {
    assert.throws(() => new kren.Writer(name, 4096, { schema }), TypeError);
  }
  for (const shape of ['2', [-1], [1.5], [undefined], undefined]) {
    assert.throws(() => new kren.Reader(name, { schema: { dtype: 'int8', shape } }), RangeError);
  }
  assert.throws(
    () => new kren.Writer(name, 4096, { schema: 'a\0b' }),
    krenError('KREN_INVALID_OPTION', name),
  );
});
