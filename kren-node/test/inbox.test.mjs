// Many senders, one inbox: what arrives, in which order, and what the death of any side does to the others (P7, P8).

import assert from 'node:assert/strict';
import process from 'node:process';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import {
  assertFine,
  assertGone,
  channelName,
  child,
  closing,
  kren,
  krenError,
  leaving,
} from './support/index.mjs';

const CAPACITY = 65536;
const PATIENCE = 30_000;

/** Message `at` of the sender that calls itself `who`: it says which it is, and whether it is whole. */
function message(who, at) {
  const bytes = Buffer.alloc(16 + 8 * ((at * 7919) % 40), (who ^ at) & 255);
  bytes.writeUInt32LE(who, 0);
  bytes.writeUInt32LE(at, 4);
  return bytes;
}

function whoAndWhat(data) {
  const [who, at] = [data.readUInt32LE(0), data.readUInt32LE(4)];
  assert.ok(message(who, at).equals(data), `message ${at} of ${who}`);
  return [who, at];
}

const COMMON = `
const assert = require('node:assert');
${message}
${whoAndWhat}
`;

const SEND_A_COUNT = (who, count) => `${COMMON}
const sender = new kren.Sender(name);
say('number ' + sender.number);
for (let at = 0; at < ${count}; at += 1) sender.write(message(${who}, at), { tag: at, timeout: ${PATIENCE} });
sender.close();
say('done');
`;

const SEND_WITHOUT_END = (who) => `${COMMON}
const sender = new kren.Sender(name);
say('number ' + sender.number);
for (let at = 0; ; at += 1) {
  sender.write(message(${who}, at), { timeout: ${PATIENCE} });
  if (at % 64 === 63) say('committed ' + (at + 1));
}
`;

const READ_WITHOUT_END = `${COMMON}
const inbox = new kren.Inbox(name, 65536);
say('ready');
(async () => {
  for await (const message of inbox) say('read ' + whoAndWhat(message).join(' '));
})();
`;

const number = async (sender) => Number((await sender.line()).split(' ')[1]);

describe('inbox', () => {
  it('P7: every message of every sender arrives in its order, whoever came first', async (t) => {
    const name = channelName();
    const early = [0, 1].map((who) => child(t, name, SEND_A_COUNT(who, 200)));
    const who = new Map();
    for (const [at, sender] of early.entries()) who.set(await number(sender), at);
    await Promise.all(early.map(assertFine));
    const inbox = closing(t, new kren.Inbox(name, CAPACITY));
    assert.deepEqual(inbox.senders.map((sender) => sender.number).sort(), [...who.keys()].sort());
    const late = [2, 3].map((at) => child(t, name, SEND_A_COUNT(at, 3000)));
    for (const [at, sender] of late.entries()) who.set(await number(sender), at + 2);
    const pids = new Map(late.map((sender, at) => [at + 2, sender.pid]));
    const next = [0, 0, 0, 0];
    let left = 2 * 200 + 2 * 3000;
    for await (const letter of inbox) {
      const [from, at] = whoAndWhat(letter);
      assert.equal(at, next[from], `of ${from}`);
      next[from] += 1;
      assert.equal(letter.tag, at);
      assert.equal(who.get(letter.sender.number), from);
      if (pids.has(from)) assert.equal(letter.sender.pid, pids.get(from));
      left -= 1;
      if (left === 0) break;
    }
    await Promise.all(late.map(assertFine));
    const gone = [];
    while (gone.length < 4) {
      assert.throws(() => inbox.read({ timeout: 20 }), krenError('KREN_TIMED_OUT', name));
      gone.push(...inbox.departures());
    }
    assert.ok(gone.every(({ died }) => !died));
    assert.deepEqual(gone.map((one) => one.number).sort(), [...who.keys()].sort());
    assert.deepEqual(inbox.senders, []);
    inbox.close();
    assertGone(name);
  });

  it('P8: a sender that is killed loses nothing that it committed, and is told of', async (t) => {
    const name = channelName();
    const departures = [];
    const onDeparture = (departure) => departures.push(departure);
    const inbox = closing(t, new kren.Inbox(name, CAPACITY, { onDeparture }));
    const honest = closing(t, new kren.Sender(name));
    for (let life = 0; life < 4; life += 1) {
      const victim = child(t, name, SEND_WITHOUT_END(life));
      const its = await number(victim);
      let next = 0;
      let killed;
      while (departures.length === life) {
        const letter = await inbox.readAsync({ timeout: 500 }).catch((error) => {
          assert.equal(error.code, 'KREN_TIMED_OUT');
        });
        if (letter?.sender.number === its) {
          assert.deepEqual(whoAndWhat(letter), [life, next]);
          next += 1;
        }
        if (killed === undefined && next > 100 + life * 300) {
          killed = victim.kill();
          honest.write(message(99, life));
        }
      }
      const committed = [...(await victim.end()).output.matchAll(/committed (\d+)/g)].at(-1)?.[1] ?? 0;
      assert.ok(next >= Number(committed), `${next} of ${committed}`);
      assert.deepEqual(departures[life], { number: its, pid: victim.pid, died: true });
    }
    assert.deepEqual(
      inbox.senders.map((sender) => sender.number),
      [honest.number],
    );
  });

  it('P8: an inbox that is killed has a successor, which gets all that was not released', async (t) => {
    const name = channelName();
    const sender = closing(t, new kren.Sender(name));
    assert.equal(sender.inboxState, 'never_attached');
    let sent = 0;
    let released = 0;
    for (let life = 0; life < 4; life += 1) {
      const inbox = child(t, name, READ_WITHOUT_END);
      assert.equal(await inbox.line(), 'ready');
      assert.equal(sender.inboxState, 'attached');
      for (let more = 0; more < 200; more += 1) {
        await sender.writeAsync(message(7, sent), { timeout: PATIENCE });
        sent += 1;
      }
      const first = await inbox.line();
      await inbox.kill();
      const said = `${first}\n${(await inbox.end()).output}`.matchAll(/read 7 (\d+)/g);
      for (const [, at] of said) {
        // One may have been taken and not been said.
        assert.ok(Number(at) <= released + 1, 'nothing is passed over');
        released = Number(at) + 1;
      }
      assert.equal(sender.inboxState, 'died');
    }
    const inbox = closing(t, new kren.Inbox(name, CAPACITY));
    let next;
    while (next !== sent) {
      const [, at] = whoAndWhat(await inbox.readAsync({ timeout: PATIENCE }));
      if (next === undefined) assert.ok(at <= released + 1, `${at} after ${released}`);
      else assert.equal(at, next);
      next = at + 1;
    }
  });

  it('a busy sender does not keep the others from their turn', (t) => {
    const name = channelName();
    leaving(t, name);
    const inbox = closing(t, new kren.Inbox(name, CAPACITY));
    const [busy, shy] = closing(t, new kren.Sender(name), new kren.Sender(name));
    const fill = () => {
      while (busy.tryWrite('busy'));
    };
    fill();
    shy.write('shy');
    let before = 0;
    for (const letter of inbox) {
      if (String(letter) === 'shy') break;
      before += 1;
      fill();
    }
    assert.ok(before <= 64, `${before} messages before its turn`);
  });

  it('every way to read knows the sender', async (t) => {
    const name = channelName();
    const inbox = closing(t, new kren.Inbox(name, CAPACITY));
    const sender = closing(t, new kren.Sender(name));
    const from = { number: sender.number, pid: process.pid };
    const write = (text) => sender.write(text, { tag: 5 });
    const check = (letter, text) => {
      assert.deepEqual([String(letter), letter.tag, letter.sender], [text, 5, from]);
      assert.deepEqual([inbox.lastTag, inbox.lastSender], [5, from]);
    };
    write('one');
    check(inbox.read(), 'one');
    write('two');
    check(inbox.tryRead(), 'two');
    assert.equal(inbox.tryRead(), null);
    write('three');
    check(await inbox.readAsync(), 'three');
    write('four');
    write('five');
    assert.equal(inbox.available, 32);
    const many = inbox.readMany(10);
    assert.deepEqual(
      many.map((letter) => [String(letter), letter.sender]),
      [
        ['four', from],
        ['five', from],
      ],
    );
    write('six');
    const target = Buffer.alloc(3);
    assert.equal(inbox.readInto(target), 3);
    assert.deepEqual([String(target), inbox.lastSender], ['six', from]);
    write('seven');
    assert.throws(() => inbox.readInto(target), RangeError);
    check(inbox.read(), 'seven');
    write('x'.repeat(10_000));
    check(inbox.read(), 'x'.repeat(10_000));
    sender.writeArray(new Float32Array([1, 2, 3]), { tag: 5 });
    assert.deepEqual([...inbox.readArray().data], [1, 2, 3]);
    sender.write('no array');
    assert.throws(() => inbox.readArray(), { code: 'KREN_NOT_AN_ARRAY' });
    assert.equal(String(inbox.read()), 'no array');
    const waiting = inbox.readAsync({ timeout: PATIENCE });
    write('eight');
    check(await waiting, 'eight');
  });

  it('borrowed messages hold their room, and stay if the inbox is closed', async (t) => {
    const name = channelName();
    leaving(t, name);
    const inbox = closing(t, new kren.Inbox(name, 4096));
    const sender = closing(t, new kren.Sender(name));
    sender.write('first', { tag: 1 });
    sender.write('second');
    const first = inbox.borrow();
    const second = await inbox.borrowAsync();
    assert.deepEqual([String(first.data), first.tag], ['first', 1]);
    assert.deepEqual(first.sender, { number: sender.number, pid: process.pid });
    while (sender.tryWrite(Buffer.alloc(100)));
    const before = sender.available;
    second.release();
    assert.equal(sender.available, before);
    first.release();
    assert.equal(first.data.length, 0);
    assert.ok(sender.available > before);
    assert.throws(() => first.copy(), { code: 'KREN_CLOSED' });
    for (const lent of inbox.lend()) {
      assert.equal(lent.data.length, 100);
      break;
    }
    const kept = inbox.borrow();
    const behind = inbox.read();
    inbox.close();
    assert.equal(kept.data.length, 0);
    const next = closing(t, new kren.Inbox(name, 4096));
    assert.ok(next.read({ timeout: 0 }).equals(behind));
  });

  it('is left alone by an abort, a timeout and an end of the loop', async (t) => {
    const name = channelName();
    const inbox = closing(t, new kren.Inbox(name, CAPACITY));
    const sender = closing(t, new kren.Sender(name));
    await assert.rejects(inbox.readAsync({ timeout: 5 }), krenError('KREN_TIMED_OUT', name));
    const giveUp = new AbortController();
    const waiting = inbox.readAsync({ signal: giveUp.signal });
    assert.throws(() => inbox.read(), krenError('KREN_BUSY', name));
    giveUp.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    sender.write('still there');
    assert.equal(String(inbox.read({ timeout: 0 })), 'still there');
    const loop = (async () => {
      for await (const letter of inbox) assert.fail(String(letter));
    })();
    await pause(20);
    inbox.close();
    await loop;
    assert.throws(() => inbox.read(), krenError('KREN_CLOSED', name));
    assert.throws(() => inbox.senders, krenError('KREN_CLOSED', name));
  });

  it('is one per name, and no channel', (t) => {
    const name = channelName();
    const inbox = closing(t, new kren.Inbox(name, 4096, { senders: 1 }));
    const sender = closing(t, new kren.Sender(name));
    assert.equal(sender.name, name);
    assert.throws(() => new kren.Inbox(name, 4096), krenError('KREN_WRITER_EXISTS', name));
    assert.throws(() => new kren.Sender(name), krenError('KREN_NO_SEAT', name));
    assert.throws(() => new kren.Reader(name), krenError('KREN_WRONG_KIND', name));
    assert.throws(() => new kren.Writer(name, 4096), krenError('KREN_WRONG_KIND', name));
    assert.throws(() => new kren.Worker(name), krenError('KREN_WRONG_KIND', name));
    assert.throws(() => new kren.Inbox(1, 4096), TypeError);
    assert.throws(() => new kren.Inbox(name, '4096'), TypeError);
    assert.throws(() => new kren.Inbox(name, 4096, { onDeparture: 1 }), TypeError);
    assert.equal(inbox.isRemoved || sender.isRemoved, false);
  });

  it('lets the process end while it waits, once it is told to, and closes by itself', async (t) => {
    const name = channelName();
    const waiting = child(t, name, `new kren.Inbox(name, 4096).unref().readAsync(); say('ready');`);
    await assertFine(waiting);
    const sending = child(t, name, `const sender = new kren.Sender(name); sender.write('last words');`);
    await assertFine(sending);
    const inbox = closing(t, new kren.Inbox(name, 4096));
    assert.equal(String(inbox.read({ timeout: PATIENCE })), 'last words');
    assert.throws(() => inbox.read({ timeout: 50 }), krenError('KREN_TIMED_OUT', name));
    assert.deepEqual(
      inbox.departures().map(({ died }) => died),
      [false],
    );
  });
});
