// G3, G4: kill -9 of either side loses no committed message, and the other side is told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFine, assertGone, channelName, child, closing, kren, krenError } from './support/index.mjs';

const counting = `
  const writer = new kren.Writer(name, 65536);
  let next = Number(process.argv[1] ?? 0);
  const message = Buffer.alloc(100);
`;

test('a writer killed in a stream and started again: every message once, in order (G3)', async (t) => {
  const name = channelName();
  const reader = { current: undefined };
  t.after(() => reader.current?.close());
  let expected = 0;
  for (let round = 0; round < 3; round++) {
    const writing = child(
      t,
      name,
      `${counting} next = ${expected}; say('up');
       for (;;) { message.writeDoubleLE(next); message.fill(next++ % 256, 8); writer.write(message); }`,
    );
    await writing.line();
    reader.current ??= new kren.Reader(name);
    const check = (received) => {
      assert.equal(received.readDoubleLE(), expected);
      assert.ok(received.subarray(8).equals(Buffer.alloc(92, expected % 256)));
      expected += 1;
    };
    for (let i = 0; i < 20_000; i++) check(reader.current.read({ timeout: 20_000 }));
    await writing.kill();
    assert.throws(
      () => {
        for (;;) check(reader.current.read({ timeout: 20_000 }));
      },
      krenError('KREN_PEER_DIED', name, new RegExp(`pid ${writing.pid}\\b`)),
    );
    assert.equal(reader.current.writerState, 'died');
    assert.equal(reader.current.writerClosed, true);
  }
});

test('a killed reader: the next one starts with the first message that was not released (G3)', async (t) => {
  const name = channelName();
  const reading = child(
    t,
    name,
    `const reader = new kren.Reader(name, { timeout: 20000 });
     for (let i = 0; i < 50; i++) reader.read({ timeout: 20000 });
     say('read 50'); setInterval(() => {}, 1000);`,
  );
  const writer = closing(t, new kren.Writer(name, 65536));
  for (let i = 0; i < 100; i++) writer.write(String(i));
  await reading.line();
  await reading.kill();
  assert.equal(writer.readerState, 'died');
  const reader = closing(t, new kren.Reader(name));
  for (let i = 50; i < 100; i++) assert.equal(reader.read().toString(), String(i));
});

test('whoever waits for a writer that is killed is told (G4)', async (t) => {
  const name = channelName();
  const writing = child(
    t,
    name,
    'const w = new kren.Writer(name, 4096); w.write("last"); say("up"); setInterval(() => {}, 1000);',
  );
  await writing.line();
  const reader = closing(t, new kren.Reader(name));
  assert.equal((await reader.readAsync()).toString(), 'last');
  const waiting = [reader.readAsync(), reader.readAsync({ timeout: 20_000 })];
  const looping = (async () => {
    for await (const _ of reader);
  })();
  const outcome = Promise.allSettled([...waiting, looping]);
  await writing.kill();
  for (const { reason } of await outcome) krenError('KREN_PEER_DIED', name)(reason);
  assert.throws(() => [...reader], krenError('KREN_PEER_DIED', name));

  // A new writer takes over, and the same reader goes on.
  const next = closing(t, new kren.Writer(name, 4096));
  const reading = reader.readAsync();
  next.write('again');
  assert.equal((await reading).toString(), 'again');
});

test('whoever waits for a reader that is killed, or closes, is told (G4)', async (t) => {
  for (const [code, leave] of [
    ['KREN_PEER_DIED', (reading) => reading.kill()],
    ['KREN_CLOSED', (reading) => reading.stdin.end('go')],
  ]) {
    const name = channelName();
    const writer = closing(t, new kren.Writer(name, 4096));
    const reading = child(
      t,
      name,
      'const r = new kren.Reader(name); process.stdin.once("data", () => r.close()); say("up");',
    );
    await reading.line();
    writer.write(Buffer.alloc(writer.maxMessageLength));
    const outcome = Promise.allSettled([writer.writeAsync('x'), writer.flushAsync()]);
    leave(reading);
    for (const { reason } of await outcome) krenError(code, name)(reason);
    assert.throws(() => writer.write('x', { timeout: 20_000 }), krenError(code, name));
    const reader = new kren.Reader(name);
    reader.read();
    reader.close();
    writer.close();
    assertGone(name);
  }
});

test('a message written before a crash waits for a reader (G3)', async (t) => {
  const name = channelName();
  const writing = child(
    t,
    name,
    'const w = new kren.Writer(name, 4096); w.write("safe"); process.kill(process.pid, "SIGKILL");',
  );
  assert.equal((await writing.end()).signal, 'SIGKILL');
  const reader = new kren.Reader(name);
  assert.equal(reader.read().toString(), 'safe');
  assert.throws(() => reader.read(), krenError('KREN_PEER_DIED', name));
  reader.close();
  assertGone(name);
});

test('a clean end of another process is a close, not a death (G4)', async (t) => {
  const name = channelName();
  await assertFine(child(t, name, 'new kren.Writer(name, 4096).write("bye");'));
  const reader = closing(t, new kren.Reader(name));
  assert.deepEqual(
    [...reader].map((message) => message.toString()),
    ['bye'],
  );
});
