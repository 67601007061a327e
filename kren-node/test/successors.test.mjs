// Outlasting a writer: waitForWriter.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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

test('the successor of a writer that closed is waited for', async (t) => {
  const name = channelName();
  const first = new kren.Writer(name, 4096);
  const reader = closing(t, new kren.Reader(name));
  await reader.waitForWriter();
  first.write('one');
  first.close();
  assert.equal(`${reader.read()}`, 'one');
  assert.throws(() => reader.read(), krenError('KREN_CLOSED', name));
  await assert.rejects(
    reader.waitForWriter({ timeout: 20 }),
    krenError('KREN_TIMED_OUT', name, /no live writer within 20 ms/),
  );
  await assert.rejects(reader.waitForWriter({ signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' });
  const waiting = reader.waitForWriter();
  await sleep(30);
  const second = closing(t, new kren.Writer(name, 4096));
  await waiting;
  second.write('two');
  assert.equal(`${await reader.readAsync()}`, 'two');
});

test('a reader outlasts writers that are killed, and loses nothing (G3)', async (t) => {
  const name = channelName();
  const write = (n) =>
    child(
      t,
      name,
      `const w = new kren.Writer(name, 4096); w.write('${n}'); say('written'); setInterval(() => {}, 1000);`,
    );
  const first = write(0);
  await first.line();
  const reader = closing(t, new kren.Reader(name));
  const got = [];
  const reading = (async () => {
    for (;;) {
      try {
        for await (const message of reader) got.push(`${message}`);
      } catch (error) {
        krenError('KREN_PEER_DIED', name)(error);
      }
      await reader.waitForWriter({ timeout: 20_000 });
    }
  })();
  await first.kill();
  for (const n of [1, 2]) {
    const next = write(n);
    await next.line();
    await next.kill();
  }
  while (got.length < 3) await sleep(5);
  reader.close();
  await assert.rejects(reading, krenError('KREN_CLOSED', name));
  assert.deepEqual(got, ['0', '1', '2']);
  const last = new kren.Writer(name, 4096);
  last.close();
  assertGone(name);
});

test('a wait for a writer is given up when the reader closes, and does not keep calls before it waiting', async (t) => {
  const [writer, reader] = pair(t);
  const message = reader.readAsync();
  const waiting = reader.waitForWriter();
  const ended = assert.rejects(message, krenError('KREN_CLOSED', reader.name, /by its writer/));
  writer.close();
  await ended;
  await sleep(20);
  reader.close();
  await assert.rejects(waiting, krenError('KREN_CLOSED', reader.name, /closed while it waited/));
  await assert.rejects(reader.waitForWriter(), krenError('KREN_CLOSED', reader.name));
});

test('a reader whose channel’s name was removed moves over to the new one, after what was unread', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const ways = {
    read: (reader) => reader.read(),
    tryRead: (reader) => reader.tryRead(),
    readAsync: (reader) => reader.readAsync(),
    readMany: (reader) => reader.readMany(1)[0],
    lend: async (reader) => {
      for await (const lent of reader.lend()) return lent.copy();
    },
  };
  for (const [way, take] of Object.entries(ways)) {
    const name = channelName();
    const old = new kren.Writer(name, 65536);
    const reader = new kren.Reader(name);
    old.write(Buffer.alloc(20_000, 1));
    old.writeMany(['a', 'b']);
    const held = reader.borrow();
    rmSync(`/dev/shm/kren-${name}`);
    const successor = child(
      t,
      name,
      `const w = new kren.Writer(name, 8192); w.writeMany(['c', 'd']); say('written');
       process.stdin.once('data', () => { w.write('e'); w.close(); });`,
    );
    await successor.line();
    old.close();
    await reader.waitForWriter({ timeout: 20_000 });
    const got = [];
    for (let n = 0; n < 4; n++) got.push(`${await take(reader)}`);
    assert.deepEqual(got, ['a', 'b', 'c', 'd'], way);
    assert.ok(held.data.equals(Buffer.alloc(20_000, 1)));
    held.release();
    assert.equal(held.data.length, 0);
    successor.stdin.end('go');
    assert.equal(`${reader.read({ timeout: 20_000 })}`, 'e');
    assert.throws(() => reader.read({ timeout: 20_000 }), krenError('KREN_CLOSED', name));
    await reader.waitForWriter({ timeout: 1 }).catch(() => {});
    assert.equal(reader.capacity, 8192, way);
    assert.equal(reader.available, 0);
    await assertFine(successor);
    reader.close();
    assertGone(name);
  }
});

test('a wait for a writer finds the new channel of the name', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const name = channelName();
  const old = new kren.Writer(name, 4096);
  const reader = closing(t, new kren.Reader(name));
  rmSync(`/dev/shm/kren-${name}`);
  old.close();
  const waiting = reader.waitForWriter();
  await sleep(30);
  const next = closing(t, new kren.Writer(name, 65536));
  await waiting;
  assert.equal(reader.capacity, 65536);
  next.write(Buffer.alloc(20_000, 7));
  const borrowed = reader.borrow();
  assert.ok(borrowed.data.every((byte) => byte === 7));
  borrowed.release();
  assert.equal(next.available, next.maxMessageLength);
});
