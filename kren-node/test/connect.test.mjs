// Waiting for a channel that does not exist yet.

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
  nextTurn,
} from './support/index.mjs';

test('connect waits for the channel and leaves the event loop free', async (t) => {
  const name = channelName();
  const connecting = kren.connect(name, { timeout: 20_000, strategy: 'sleep' });
  await nextTurn();
  const writer = closing(t, new kren.Writer(name, 4096));
  writer.write('hello');
  const reader = closing(t, await connecting);
  assert.ok(reader instanceof kren.Reader);
  assert.equal(reader.name, name);
  assert.equal(reader.read().toString(), 'hello');
});

test('connect gives a channel that exists', async (t) => {
  const writer = closing(t, new kren.Writer(channelName(), 4096));
  const reader = closing(t, await kren.connect(writer.name));
  assert.equal(reader.capacity, writer.capacity);
});

test('connect ends with KREN_NOT_FOUND when the timeout has passed', async () => {
  const name = channelName();
  await assert.rejects(kren.connect(name, { timeout: 0 }), krenError('KREN_NOT_FOUND', name));
  await assert.rejects(kren.connect(name, { timeout: 30 }), krenError('KREN_NOT_FOUND', name));
  assert.throws(() => new kren.Reader(name, { timeout: 30 }), krenError('KREN_NOT_FOUND', name));
  await assert.rejects(kren.connect('a/b'), krenError('KREN_INVALID_NAME', 'a/b'));
  await assert.rejects(kren.connect(5), TypeError);
});

test('connect can be given up, and then takes no channel', async (t) => {
  const name = channelName();
  const controller = new AbortController();
  const connecting = kren.connect(name, { signal: controller.signal });
  await nextTurn();
  controller.abort(new Error('enough'));
  await assert.rejects(connecting, { message: 'enough' });
  await assert.rejects(kren.connect(name, { signal: controller.signal }), { message: 'enough' });
  const writer = closing(t, new kren.Writer(name, 4096));
  writer.write('for another');
  const reader = closing(t, await kren.connect(name, { timeout: 20_000 }));
  assert.equal(reader.read().toString(), 'for another');
});

test('a process that waits in connect can exit', async (t) => {
  const name = channelName();
  const waiting = child(
    t,
    name,
    'kren.connect(name); say("waiting"); setTimeout(() => process.exit(0), 20);',
  );
  await waiting.line();
  await assertFine(waiting);
  assertGone(name);
});

test('new Reader waits for the channel, blocking', async (t) => {
  const name = channelName();
  const reading = child(
    t,
    name,
    'say("start"); say(new kren.Reader(name, { timeout: 20000 }).read().toString());',
  );
  await reading.line();
  const writer = closing(t, new kren.Writer(name, 4096));
  writer.write('hello');
  assert.equal(await reading.line(), 'hello');
  await assertFine(reading);
});

test('a live writer is waited for, and what was there before can be skipped', async (t) => {
  const name = channelName();
  const yesterday = new kren.Writer(name, 4096);
  yesterday.write('yesterday');
  yesterday.close();
  const missing = krenError('KREN_TIMED_OUT', name);
  assert.throws(() => new kren.Reader(name, { live: true }), missing);
  assert.throws(() => new kren.Reader(name, { live: true, timeout: 20 }), missing);
  await assert.rejects(kren.connect(name, { live: true, timeout: 20 }), missing);
  assert.throws(
    () => new kren.Reader(name, { start: 'last' }),
    krenError('KREN_INVALID_OPTION', name, /'newest'/),
  );
  assert.throws(() => new kren.Reader(name, { live: 1 }), TypeError);

  const connecting = kren.connect(name, { live: true, timeout: 20_000 });
  const today = closing(t, new kren.Writer(name, 4096));
  today.write('today');
  const first = await connecting;
  assert.equal(`${first.read()}`, 'yesterday');
  first.close();
  const second = closing(t, new kren.Reader(name, { live: true, start: 'newest' }));
  assert.equal(second.tryRead(), null);
  today.write('now');
  assert.equal(`${second.read()}`, 'now');
  second.close();
  today.write('skipped');
  const third = closing(t, await kren.connect(name, { start: 'newest' }));
  today.write('seen');
  assert.equal(`${third.read()}`, 'seen');
});

test('a writer that discards leaves nothing to who comes later, and all to who is there', async (t) => {
  const name = channelName();
  const writer = new kren.Writer(name, 4096);
  writer.write('for nobody');
  assert.throws(() => writer.close({ discard: 'yes' }), TypeError);
  const waiting = assert.rejects(writer.flushAsync(), krenError('KREN_CLOSED', name));
  writer.close({ discard: true });
  writer.close({ discard: true });
  await waiting;
  assertGone(name);
  const next = new kren.Writer(name, 4096);
  const reader = closing(t, new kren.Reader(name));
  next.write('for the one that is there');
  next.close({ discard: true });
  assert.deepEqual([...reader].map(String), ['for the one that is there']);
});
