// The calls that block, and closing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertFine,
  assertGone,
  channelName,
  child,
  closing,
  kren,
  krenError,
  pair,
} from './support/index.mjs';

test('read() waits for a message from another process', async (t) => {
  const name = channelName();
  const reading = child(
    t,
    name,
    'const r = new kren.Reader(name, { timeout: 20000 }); say("ready"); say(r.read({ timeout: 20000 }).toString());',
  );
  const writer = closing(t, new kren.Writer(name, 4096));
  assert.equal(await reading.line(), 'ready');
  writer.write('at last');
  assert.equal(await reading.line(), 'at last');
  await assertFine(reading);
});

test('write() waits for room, flush() for the end of delivery', async (t) => {
  const name = channelName();
  const writing = child(
    t,
    name,
    `const w = new kren.Writer(name, 4096); w.write(Buffer.alloc(w.maxMessageLength));
     say("full " + w.tryWrite("x")); w.write("second", { timeout: 20000 }); say("written");
     w.flush({ timeout: 20000 }); say("flushed " + w.available);`,
  );
  assert.equal(await writing.line(), 'full false');
  const reader = closing(t, new kren.Reader(name));
  assert.equal(reader.read().length, 4088);
  assert.equal(await writing.line(), 'written');
  assert.equal(reader.read().toString(), 'second');
  assert.equal(await writing.line(), 'flushed 4088');
  await assertFine(writing);
});

test('a closed endpoint says so, and closing twice is fine', async (t) => {
  const [writer, reader] = pair(t);
  writer.write('left');
  assert.equal(writer.closed, false);
  assert.equal(reader.closed, false);
  writer.close();
  reader.close();
  writer.close();
  reader.close();
  assert.equal(writer.closed, true);
  assert.equal(reader.closed, true);
  for (const call of [
    () => writer.write('x'),
    () => writer.tryWrite('x'),
    () => writer.flush(),
    () => writer.available,
    () => writer.readerState,
  ]) {
    assert.throws(call, krenError('KREN_CLOSED', writer.name, /this writer .* is closed/));
  }
  for (const call of [
    () => reader.read(),
    () => reader.tryRead(),
    () => reader.available,
    () => reader.writerClosed,
    () => reader.writerState,
  ]) {
    assert.throws(call, krenError('KREN_CLOSED', reader.name, /this reader .* is closed/));
  }
  await assert.rejects(writer.writeAsync('x'), krenError('KREN_CLOSED', writer.name));
  await assert.rejects(writer.flushAsync(), krenError('KREN_CLOSED', writer.name));
  await assert.rejects(reader.readAsync(), krenError('KREN_CLOSED', reader.name));
  assert.equal(writer.capacity, reader.capacity);

  // The message that was left is there for the reader that comes next.
  const next = new kren.Reader(writer.name);
  assert.equal(next.read().toString(), 'left');
  next.close();
  assertGone(writer.name);
});

test('using closes', async () => {
  const name = channelName();
  const writer = new kren.Writer(name, 4096);
  const reader = new kren.Reader(name);
  await reader[Symbol.asyncDispose]();
  assert.equal(reader.closed, true);
  const again = new kren.Reader(name);
  again[Symbol.dispose]();
  assert.equal(again.closed, true);
  writer[Symbol.dispose]();
  assert.equal(writer.closed, true);
  assertGone(name);
});

test('clean close, death and absence of the other side are told apart (G4)', async (t) => {
  const name = channelName();
  const writer = closing(t, new kren.Writer(name, 4096));
  assert.equal(writer.readerState, 'never_attached');
  const reader = new kren.Reader(name);
  assert.equal(writer.readerState, 'attached');
  assert.equal(reader.writerState, 'attached');
  reader.close();
  assert.equal(writer.readerState, 'closed');

  const other = child(t, name, 'new kren.Reader(name); say("open"); setInterval(() => {}, 1000);');
  await other.line();
  assert.equal(writer.readerState, 'attached');
  await other.kill();
  assert.equal(writer.readerState, 'died');
});

test('for..of reads until the writer has closed', (t) => {
  const [writer, reader] = pair(t);
  for (const text of ['a', 'b', 'c']) writer.write(text);
  const seen = [];
  for (const message of reader) {
    seen.push(message.toString());
    if (seen.length === 2) break;
  }
  assert.equal(reader.closed, false);
  writer.close();
  for (const message of reader) seen.push(message.toString());
  assert.deepEqual(seen, ['a', 'b', 'c']);
  assert.throws(() => reader.read(), krenError('KREN_CLOSED', reader.name, /closed by its writer/));
});
