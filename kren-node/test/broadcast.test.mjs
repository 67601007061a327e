// One publisher, many subscribers: what each gets, and what deaths do to the others (P1 to P6).

import assert from 'node:assert/strict';
import process from 'node:process';
import { describe, it } from 'node:test';
import { assertGone, channelName, child, closing, kren } from './support/index.mjs';

const CAPACITY = 65536;
const PATIENCE = 30_000;

/** Message `at`, which says which it is and whether it is whole. */
function message(at) {
  const bytes = Buffer.alloc(8 * (1 + ((at * 7919) % 60)));
  for (let place = 0; place < bytes.length; place += 8) bytes.writeUInt32LE(at, place);
  return bytes;
}

function number(data) {
  const at = data.readUInt32LE(0);
  assert.deepEqual(Buffer.from(data), message(at));
  return at;
}

const COMMON = `
const assert = require('node:assert');
${message}
${number}
`;

const READ_TO_THE_END = (lossy) => `${COMMON}
const subscriber = new kren.Subscriber(name, { lossy: ${lossy}, timeout: 30000 });
say('joined ' + subscriber.position);
let next = 0, read = 0, missed = 0;
for (;;) {
  try {
    // A lossy one is overtaken in the middle of many, too.
    const options = { timeout: 30000 };
    for (const data of ${lossy} ? subscriber.readMany(64, options) : [subscriber.read(options)]) {
      const at = number(data);
      assert.equal(at, next);
      next += 1;
      read += 1;
    }
  } catch (error) {
    if (error.code === 'KREN_CLOSED') break;
    if (error.code !== 'KREN_LAGGED' || !${lossy} || !(error.missed > 0)) throw error;
    missed += error.missed;
    next += error.missed;
  }
}
say('end ' + read + ' ' + missed);
`;

const HOLD_ONE = `${COMMON}
const subscriber = new kren.Subscriber(name, { timeout: 30000 });
say('joined');
for (let at = 0; at < 3; at += 1) number(subscriber.read({ timeout: 30000 }));
const held = subscriber.borrow({ timeout: 30000 });
say('stopped');
setInterval(() => held.data, 1000);
`;

const READ_AS_LOG = `${COMMON}
const subscriber = new kren.Subscriber(name, { durable: 'log', timeout: 30000 });
say('joined ' + subscriber.position);
for (let at = 0; at < 10; at += 1) say('read ' + number(subscriber.read({ timeout: 30000 })));
say('idle');
setInterval(() => subscriber.closed, 1000);
`;

const PUBLISH = (from, count) => `${COMMON}
(async () => {
  const publisher = new kren.Publisher(name, 65536);
  say('ready');
  await publisher.waitForSubscribers({ count: ${count}, timeout: 30000 });
  for (let at = ${from}; ; at += 1) {
    const data = message(at);
    if (at % 3) {
      publisher.write(data, { timeout: 30000 });
    } else {
      const reserved = publisher.reserve(data.length + 40, { timeout: 30000 });
      reserved.data.set(data);
      reserved.commit(data.length);
    }
    if (at % 100 === 99) say('committed ' + (at + 1));
  }
})();
`;

// Each way to read, as it hands out what it has taken.
const TAKERS = {
  read: (subscriber) => [subscriber.read({ timeout: 0 })],
  tryRead: (subscriber) => [subscriber.tryRead()].filter((data) => data !== null),
  readMany: (subscriber) => subscriber.readMany(1000, { timeout: 0 }),
  'a few with readMany': (subscriber) => subscriber.readMany(3, { timeout: 0 }),
  readInto: (subscriber) => {
    const target = Buffer.alloc(1000);
    return [target.subarray(0, subscriber.readInto(target, { timeout: 0 }))];
  },
  borrow: (subscriber) => {
    const borrowed = subscriber.borrow({ timeout: 0 });
    const copy = borrowed.copy();
    borrowed.release();
    return [copy];
  },
  'the loop': (subscriber) => [subscriber[Symbol.iterator]().next().value],
};

describe('broadcast', () => {
  it('P1: every subscriber gets every message', async (t) => {
    const name = channelName();
    const count = 20_000;
    const publisher = closing(t, new kren.Publisher(name, CAPACITY));
    const readers = [false, false, true].map((lossy) => child(t, name, READ_TO_THE_END(lossy)));
    await publisher.waitForSubscribers({ count: 3, timeout: PATIENCE });
    for (const reader of readers) assert.equal(await reader.line(), 'joined 0');
    const pids = publisher.subscribers.map((known) => known.pid).sort();
    assert.deepEqual(pids, readers.map((reader) => reader.pid).sort());
    for (let at = 0; at < count; at += 1) publisher.write(message(at), { timeout: PATIENCE });
    publisher.close();
    const ends = await Promise.all(readers.map((reader) => reader.line()));
    assert.deepEqual(ends.slice(0, 2), [`end ${count} 0`, `end ${count} 0`]);
    const [read, missed] = ends[2].split(' ').slice(1).map(Number);
    assert.equal(read + missed, count);
    await Promise.all(readers.map((reader) => reader.end()));
    assertGone(name);
  });

  it('P2: a subscriber that dies is passed over', async (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY));
    const other = closing(t, new kren.Subscriber(name));
    const still = child(t, name, HOLD_ONE);
    assert.equal(await still.line(), 'joined');
    let at = 0;
    while (publisher.tryWrite(message(at))) {
      assert.equal(number(other.read({ timeout: PATIENCE })), at);
      at += 1;
      if (at === 5) assert.equal(await still.line(), 'stopped');
    }
    assert.throws(() => publisher.write(message(at), { timeout: 300 }), { code: 'KREN_TIMED_OUT' });
    const slowest = publisher.subscribers.find((known) => known.behind > 0);
    assert.deepEqual(
      { ...slowest, seat: 2, behindBytes: 0 },
      {
        seat: 2,
        pid: still.pid,
        state: 'attached',
        lossy: false,
        durable: false,
        behind: at - 3,
        behindBytes: 0,
      },
    );
    await still.kill();
    publisher.write(message(at), { timeout: 5000 });
    for (let later = at + 1; later < at + 1000; later += 1) {
      assert.equal(number(other.read({ timeout: PATIENCE })), later - 1);
      publisher.write(message(later), { timeout: PATIENCE });
    }
    assert.deepEqual(
      publisher.subscribers.map((known) => known.pid),
      [process.pid],
    );
  });

  for (const [way, take] of Object.entries(TAKERS)) {
    it(`P3: a lossy subscriber is told what it missed: ${way}`, (t) => {
      const name = channelName();
      const publisher = closing(t, new kren.Publisher(name, CAPACITY));
      const subscriber = closing(t, new kren.Subscriber(name, { lossy: true }));
      let written = 0;
      let expected = 0;
      let losses = 0;
      for (const burst of [10, 700, 30, 1500, 1, 900]) {
        for (let more = 0; more < burst; more += 1) {
          publisher.write(message(written), { timeout: 0 });
          written += 1;
        }
        while (expected < written) {
          assert.equal(subscriber.position, expected);
          let taken = [];
          try {
            taken = take(subscriber);
          } catch (error) {
            assert.equal(error.code, 'KREN_LAGGED');
            assert.ok(error.missed > 0);
            assert.match(error.message, new RegExp(` ${error.missed} messages`));
            expected += error.missed;
            losses += 1;
            continue;
          }
          assert.ok(taken.length > 0);
          for (const data of taken) {
            assert.equal(number(data), expected);
            expected += 1;
          }
        }
        assert.equal(subscriber.tryRead(), null);
      }
      assert.equal(losses, 3);
    });
  }

  it('P4: a slow subscriber is evicted, and what it held is its own', async (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY, { evictAfter: 20 }));
    const slow = closing(t, new kren.Subscriber(name));
    publisher.write(message(0));
    const held = slow.borrow();
    assert.equal(slow.held, 0);
    for (let at = 1; at < 2000; at += 1) publisher.write(message(at), { timeout: PATIENCE });
    assert.equal(number(held.data), 0);
    held.release();
    let evicted;
    assert.throws(
      () => slow.read(),
      (error) => {
        evicted = error;
        return error.code === 'KREN_EVICTED' && error.missed > 0;
      },
    );
    let expected = 1 + evicted.missed;
    for (let data = slow.tryRead(); data !== null; data = slow.tryRead()) {
      assert.equal(number(data), expected);
      expected += 1;
    }
    assert.equal(expected, 2000);
    // It holds the publisher up again; and one that awaits evicts too.
    let at = 2000;
    while (publisher.tryWrite(message(at))) at += 1;
    assert.ok(at < 2500);
    for (let more = 0; more < 1000; more += 1) {
      await publisher.writeAsync(message(at), { timeout: PATIENCE });
      at += 1;
    }
    await assert.rejects(slow.readAsync(), { code: 'KREN_EVICTED' });
    assert.equal(number(await slow.readAsync()), slow.position - 1);
  });

  it('P4: what is copied is never a view of the ring', (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY, { evictAfter: 0 }));
    const subscribers = [new kren.Subscriber(name), new kren.Subscriber(name, { lossy: true })];
    closing(t, ...subscribers);
    const long = Buffer.alloc(20_000, 'x');
    publisher.write(long);
    publisher.writeArray(new Int32Array(5000).fill(7));
    const lent = subscribers.map((subscriber) => subscriber.borrow());
    const arrays = subscribers.map((subscriber) => subscriber.borrowArray());
    for (let more = 0; more < 300; more += 1) publisher.write(Buffer.alloc(992, 'z'), { timeout: PATIENCE });
    for (const borrowed of lent) assert.ok(borrowed.data.equals(long));
    for (const array of arrays) assert.ok(array.data.every((element) => element === 7));
    for (const one of [...lent, ...arrays]) one.release();
    assert.equal(lent[0].data.length, 0);
  });

  it('P5: a durable subscriber goes on where it was', async (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY));
    const durable = child(t, name, READ_AS_LOG);
    assert.equal(await durable.line(), 'joined 0');
    for (let at = 0; at < 30; at += 1) publisher.write(message(at));
    for (let at = 0; at < 10; at += 1) assert.equal(await durable.line(), `read ${at}`);
    assert.equal(await durable.line(), 'idle');
    assert.throws(() => new kren.Subscriber(name, { durable: 'log' }), { code: 'KREN_READER_EXISTS' });
    await durable.kill();
    let at = 30;
    while (publisher.tryWrite(message(at))) at += 1;
    assert.throws(() => publisher.write(message(at), { timeout: 300 }), { code: 'KREN_TIMED_OUT' });
    const [known] = publisher.subscribers;
    assert.deepEqual([known.state, known.durable, known.behind], ['died', true, at - 10]);
    publisher.close();
    const half = Math.floor((10 + at) / 2);
    const heir = new kren.Subscriber(name, { durable: 'log' });
    assert.equal(heir.position, 10);
    assert.deepEqual(
      heir
        .readMany(half - 10)
        .map(number)
        .at(-1),
      half - 1,
    );
    heir.close();
    const last = new kren.Subscriber(name, { durable: 'log' });
    assert.equal(last.position, half);
    assert.deepEqual([...last].map(number).at(-1), at - 1);
    last.unsubscribe();
    last.unsubscribe();
    assert.ok(last.closed);
    assert.throws(() => new kren.Subscriber(name), { code: 'KREN_NOT_FOUND' });
  });

  it('P6: a publisher that is killed has a successor, and nothing is lost', async (t) => {
    const name = channelName();
    const subscribers = [];
    let next = 0;
    for (let life = 0; life < 3; life += 1) {
      const publisher = child(t, name, PUBLISH(next, 3));
      assert.equal(await publisher.line(), 'ready');
      while (subscribers.length < 3) subscribers.push(closing(t, new kren.Subscriber(name)));
      for (const subscriber of subscribers) await subscriber.waitForWriter({ timeout: PATIENCE });
      const read = [next, next, next];
      const target = next + 300;
      while (Math.min(...read) < target) {
        for (const [place, subscriber] of subscribers.entries()) {
          for (const data of subscriber.readMany(50, { timeout: PATIENCE })) {
            assert.equal(number(data), read[place]);
            read[place] += 1;
          }
        }
      }
      await publisher.kill();
      for (const [place, subscriber] of subscribers.entries()) {
        await assert.rejects(
          async () => {
            for await (const data of subscriber) {
              assert.equal(number(data), read[place]);
              read[place] += 1;
            }
          },
          { code: 'KREN_PEER_DIED' },
        );
      }
      assert.equal(new Set(read).size, 1, 'all got the same');
      next = read[0];
    }
    for (const subscriber of subscribers) subscriber.close();
    new kren.Publisher(name, CAPACITY).close();
  });

  it('P1: where a subscriber starts', (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY));
    for (let at = 0; at < 50; at += 1) publisher.write(message(at));
    const first = (start) => {
      const subscriber = new kren.Subscriber(name, { start });
      const at = number(subscriber.read());
      assert.equal(subscriber.position, at + 1);
      subscriber.close();
      return at;
    };
    assert.equal(first('oldest'), 0);
    assert.equal(first(37), 37);
    const newest = closing(t, new kren.Subscriber(name));
    assert.equal(newest.tryRead(), null);
    publisher.write(message(50));
    assert.equal(number(newest.read()), 50);
    newest.close();
    for (let at = 51; at < 3000; at += 1) publisher.write(message(at), { timeout: 0 });
    for (const take of Object.values(TAKERS)) {
      const late = new kren.Subscriber(name, { start: 37 });
      let missed = 0;
      assert.throws(
        () => take(late),
        (error) => {
          missed = error.missed;
          return error.code === 'KREN_LAGGED';
        },
      );
      assert.equal(number(take(late)[0]), 37 + missed);
      late.close();
    }
  });

  it('holds views of the ring where nobody is overtaken', async (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY));
    const subscriber = closing(t, new kren.Subscriber(name));
    publisher.write('held', { tag: 7 });
    publisher.write('next');
    const held = subscriber.borrow();
    assert.equal(held.tag, 7);
    assert.ok(subscriber.held > 0);
    assert.equal(subscriber.read().toString(), 'next');
    assert.throws(() => publisher.flush({ timeout: 10 }), { code: 'KREN_TIMED_OUT' });
    held.release();
    assert.equal(subscriber.held, 0);
    publisher.flush({ timeout: PATIENCE });
    await publisher.flushAsync({ timeout: PATIENCE });
  });

  it('waits, and is waited for, without blocking the loop', async (t) => {
    const name = channelName();
    const searching = kren.subscribe(name, { start: 'oldest', timeout: PATIENCE });
    const publisher = closing(t, new kren.Publisher(name, CAPACITY));
    await assert.rejects(publisher.waitForSubscribers({ count: 3, timeout: 10 }), { code: 'KREN_TIMED_OUT' });
    let there = false;
    const coming = publisher.waitForSubscribers({ count: 3, timeout: PATIENCE }).then(() => {
      there = true;
    });
    const subscribers = [
      await searching,
      await kren.subscribe(name),
      await kren.subscribe(name, { lossy: true }),
    ];
    closing(t, ...subscribers);
    await coming;
    assert.ok(there);
    const reading = subscribers.map(async (subscriber) => {
      for (let at = 0; at < 150; at += 1) assert.equal(number(await subscriber.readAsync()), at);
    });
    for (let at = 0; at < 150; at += 1) await publisher.writeAsync(message(at));
    await Promise.all(reading);
    const given = new AbortController();
    const waiting = publisher.waitForSubscribers({ count: 9, signal: given.signal });
    given.abort(new Error('no more'));
    await assert.rejects(waiting, /no more/);
    publisher.writeMany(['a', 'b']);
    publisher.close();
    for (const subscriber of subscribers) {
      const rest = [];
      for await (const data of subscriber) rest.push(data.toString());
      assert.deepEqual(rest, ['a', 'b']);
      assert.equal(subscriber.writerState, 'closed');
      assert.equal(subscriber.writerClosed, true);
      subscriber.close();
    }
    await assert.rejects(publisher.waitForSubscribers(), { code: 'KREN_CLOSED' });
    await assert.rejects(kren.subscribe(name, { timeout: 20 }), { code: 'KREN_NOT_FOUND' });
    const search = new AbortController();
    const sought = kren.subscribe(name, { signal: search.signal });
    search.abort(new Error('never mind'));
    await assert.rejects(sought, /never mind/);
  });

  it('wakes a subscriber that sleeps in another process, by each way to write', async (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY));
    const echo = `
      const subscriber = new kren.Subscriber(name, { timeout: 30000, strategy: 'sleep' });
      say('joined');
      for (const message of subscriber) say(message.toString());
    `;
    const sleepers = [child(t, name, echo), child(t, name, echo)];
    for (const sleeper of sleepers) assert.equal(await sleeper.line(), 'joined');
    const ways = [
      (text) => publisher.write(text),
      (text) => publisher.writeMany([text]),
      (text) => {
        const reserved = publisher.reserve(100);
        reserved.data.write(text);
        reserved.commit(text.length);
      },
      (text) => publisher.tryWrite(text),
      (text) => publisher.writeAsync(text),
    ];
    for (let round = 0; round < 40; round += 1) {
      const text = `round ${round}`;
      await ways[round % ways.length](text);
      for (const sleeper of sleepers) assert.equal(await sleeper.line(), text);
    }
    publisher.close();
    await Promise.all(sleepers.map((sleeper) => sleeper.end()));
  });

  it('kinds, seats and arguments', (t) => {
    const name = channelName();
    const publisher = closing(t, new kren.Publisher(name, CAPACITY, { subscribers: 2 }));
    assert.throws(() => new kren.Reader(name), { code: 'KREN_WRONG_KIND' });
    assert.throws(() => new kren.Writer(name, CAPACITY), { code: 'KREN_WRONG_KIND' });
    const two = [new kren.Subscriber(name, { timeout: 10 }), new kren.Subscriber(name)];
    assert.throws(() => new kren.Subscriber(name), { code: 'KREN_NO_SEAT' });
    for (const subscriber of two) subscriber.close();
    new kren.Subscriber(name).close();
    assert.throws(() => new kren.Publisher(name, CAPACITY), { code: 'KREN_WRITER_EXISTS' });
    assert.equal(publisher.readerState, undefined);
    assert.throws(() => two[0].read(), { code: 'KREN_CLOSED' });
    const options = [
      [{ lossy: true, durable: true }, { code: 'KREN_INVALID_OPTION' }],
      [{ start: 'middle' }, { code: 'KREN_INVALID_OPTION' }],
      [{ start: -1 }, { code: 'KREN_INVALID_OPTION' }],
      [{ start: {} }, TypeError],
      [{ durable: 1 }, TypeError],
      [{ lossy: 'yes' }, TypeError],
    ];
    for (const [wrong, error] of options) assert.throws(() => new kren.Subscriber(name, wrong), error);
    const wrongs = [
      [{ subscribers: 0 }, { code: 'KREN_INVALID_OPTION' }],
      [{ subscribers: 65 }, { code: 'KREN_INVALID_OPTION' }],
      [{ evictAfter: -1 }, { code: 'KREN_INVALID_OPTION' }],
      [{ evictAfter: '1' }, TypeError],
    ];
    for (const [wrong, error] of wrongs)
      assert.throws(() => new kren.Publisher(channelName(), CAPACITY, wrong), error);
  });
});
