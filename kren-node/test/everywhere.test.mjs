// What holds on every system, in one process: this file alone also runs where Node cannot start processes with
// pipes, as under wine. No message is left on a channel that nobody holds: only some systems would keep it.

import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { channelName, kren, krenError, nextTurn, pair } from './support/index.mjs';

const PATIENCE = 30_000;

test('messages arrive as written, up to the largest', (t) => {
  const [writer, reader] = pair(t);
  assert.equal(reader.capacity, writer.capacity);
  for (const message of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(writer.maxMessageLength, 7)]) {
    writer.write(message, { timeout: PATIENCE, tag: message.length });
    assert.deepEqual(reader.read({ timeout: PATIENCE }), message);
    assert.equal(reader.lastTag, message.length);
  }
  assert.equal(reader.tryRead(), null);
});

test('timeouts, refusals and closing have their errors', (t) => {
  const name = channelName();
  assert.throws(() => new kren.Reader(name), krenError('KREN_NOT_FOUND', name));
  const writer = new kren.Writer(name, 65536);
  const reader = new kren.Reader(name);
  t.after(() => reader.close());
  assert.throws(() => reader.read({ timeout: 10 }), krenError('KREN_TIMED_OUT', name));
  assert.throws(() => new kren.Writer(name, 65536), krenError('KREN_WRITER_EXISTS', name));
  assert.throws(() => new kren.Reader(name), krenError('KREN_READER_EXISTS', name));
  assert.throws(() => writer.write(Buffer.alloc(1 << 20)), krenError('KREN_TOO_LARGE', name));
  writer.write('not read yet');
  assert.throws(() => writer.flush({ timeout: 10 }), krenError('KREN_TIMED_OUT', name));
  writer.close();
  assert.deepEqual([...reader].map(String), ['not read yet']);
  assert.equal(reader.writerState, 'closed');
});

test('asynchronous calls leave the event loop free', async (t) => {
  const [writer, reader] = pair(t);
  let turns = 0;
  const turning = setInterval(() => {
    turns += 1;
  }, 1);
  t.after(() => clearInterval(turning));
  const waiting = reader.readAsync({ timeout: PATIENCE });
  while (turns < 3) await nextTurn();
  writer.write('at last');
  assert.equal(String(await waiting), 'at last');

  const aborting = new AbortController();
  const aborted = reader.readAsync({ signal: aborting.signal });
  aborting.abort();
  await assert.rejects(aborted, { name: 'AbortError' });

  await writer.writeAsync(Buffer.alloc(writer.maxMessageLength));
  const full = writer.writeAsync('there is room again', { timeout: PATIENCE });
  assert.equal((await reader.readAsync()).length, writer.maxMessageLength);
  await full;
  writer.close();
  const rest = [];
  for await (const message of reader) rest.push(String(message));
  assert.deepEqual(rest, ['there is room again']);
});

test('connecting waits for the channel', async (t) => {
  const name = channelName();
  const connecting = kren.connect(name, { timeout: PATIENCE });
  const writer = new kren.Writer(name, 65536);
  const reader = await connecting;
  t.after(() => reader.close());
  writer.write('hello');
  assert.equal(String(reader.read({ timeout: PATIENCE })), 'hello');
  writer.close();
});

test('a channel of the whole machine is found by who asks for one', (t) => {
  const name = channelName();
  let writer;
  try {
    writer = new kren.Writer(name, 65536, { machineWide: true });
  } catch (error) {
    assert.equal(error.code, 'KREN_PERMISSION_DENIED');
    return t.skip('making one takes a privilege');
  }
  t.after(() => writer.close());
  if (process.platform === 'win32') {
    assert.throws(() => new kren.Reader(name), krenError('KREN_NOT_FOUND', name));
  }
  const reader = new kren.Reader(name, { machineWide: true });
  t.after(() => reader.close());
  writer.write('wide');
  assert.equal(String(reader.read({ timeout: PATIENCE })), 'wide');
});
