// The first programs a user runs, as they stand, and the names users know.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFine, assertGone, channelName, child, closing, kren } from './support/index.mjs';

test('the quick start of the reader works on what a process that is gone has written', async (t) => {
  const channel = channelName();
  const writer = child(t, channel, 'new kren.Writer(name, 1024 * 1024).write("Hello from Node!");');
  await assertFine(writer);

  const pasted = `
    const kren = require('@pawanxz/kren');
    const reader = new kren.Reader("my_channel");
    const data = reader.read();
    console.log(\`Received: \${data.toString()}\`);
  `;
  const reader = child(t, channel, `{ ${pasted.replace('my_channel', channel)} }`);
  assert.equal(await reader.line(), 'Received: Hello from Node!');
  await assertFine(reader);
  assertGone(channel);
});

test('the names users know', (t) => {
  const name = channelName();
  const writer = new kren.Writer(name, 1024 * 1024);
  writer.write('one');
  assert.equal(writer.name, name);
  assert.equal(writer.available, 1024 * 1024 - 16 - 8);
  const reader = new kren.Reader(name);
  closing(t, writer, reader);
  assert.equal(reader.name, name);
  assert.equal(reader.available, 16);
  assert.equal(reader.writerClosed, false);
  assert.deepEqual(reader.read(), Buffer.from('one'));
  assert.equal(reader.tryRead(), null);
  writer.write('two');
  assert.deepEqual(reader.tryRead(), Buffer.from('two'));
  writer.close();
  assert.equal(reader.writerClosed, true);
});

test('import and require give the same classes', async () => {
  const imported = await import('@pawanxz/kren');
  assert.equal(imported.default.Writer, kren.Writer);
  for (const name of ['Writer', 'Reader', 'KrenError', 'connect', 'errorCodes']) {
    assert.equal(imported[name], kren[name], name);
  }
});
