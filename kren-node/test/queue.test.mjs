// One dealer, many workers: who gets what, and what becomes of the work of those that die (P9, P10).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertFine, assertGone, channelName, child, closing, kren, krenError } from './support/index.mjs';

const CAPACITY = 16384;
const PATIENCE = 30_000;

const task = (at) => {
  const bytes = Buffer.alloc(8 + ((at * 7919) % 300));
  bytes.writeUInt32LE(at, 0);
  return bytes;
};

const WORK_TO_THE_END = `
const worker = new kren.Worker(name, { ahead: 4 });
say('ready');
(async () => {
  for await (const work of worker) say('did ' + work.readUInt32LE(0) + ' ' + work.redelivered);
  worker.close();
  say('end');
})();
`;

/** Says what it has begun with, and never finishes. */
const HANG = `
const worker = new kren.Worker(name, { ahead: 4 });
say('ready');
(async () => {
  for (;;) say('began ' + (await worker.borrowAsync()).data.readUInt32LE(0));
})();
`;

const DEAL = (from, count) => `
const dealer = new kren.Dealer(name, ${CAPACITY});
say('ready');
(async () => {
  for (let at = ${from}; at < ${from + count}; at += 1) {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(at, 0);
    await dealer.writeAsync(bytes, { timeout: ${PATIENCE} });
    if (at % 50 === 49) say('dealt ' + (at + 1));
  }
  say('dealt ' + ${from + count});
  setInterval(() => dealer.closed, 1000);
})();
`;

const done = (output) =>
  [...output.matchAll(/did (\d+) (true|false)/g)].map(([, at, again]) => [Number(at), again]);

describe('work queue', () => {
  it('P9: each message goes to one worker, and all workers have something to do', async (t) => {
    const name = channelName();
    const dealer = closing(t, new kren.Dealer(name, CAPACITY));
    const workers = Array.from({ length: 3 }, () => child(t, name, WORK_TO_THE_END));
    for (const worker of workers) assert.equal(await worker.line(), 'ready');
    const count = 1500;
    for (let at = 0; at < count; at += 1) await dealer.writeAsync(task(at), { timeout: PATIENCE });
    await dealer.flushAsync({ timeout: PATIENCE });
    dealer.close();
    const ends = await Promise.all(workers.map((worker) => worker.end()));
    const each = ends.map(({ output, code, errors }) => {
      assert.equal(code, 0, errors);
      assert.match(output, /end\n$/);
      return done(output);
    });
    const all = each.flat();
    assert.ok(all.every(([, again]) => again === 'false'));
    assert.deepEqual(
      all.map(([at]) => at).sort((a, b) => a - b),
      Array.from({ length: count }, (_, at) => at),
    );
    assert.ok(each.every((its) => its.length > count / 30));
    assertGone(name);
  });

  it('P10: what a killed worker had not done goes to another, marked', async (t) => {
    const name = channelName();
    const dealer = closing(t, new kren.Dealer(name, CAPACITY));
    const victim = child(t, name, HANG);
    assert.equal(await victim.line(), 'ready');
    const began = new Set();
    for (let at = 0; at < 4; at += 1) await dealer.writeAsync(task(at), { timeout: PATIENCE });
    while (began.size < 3) began.add(Number((await victim.line()).split(' ')[1]));
    assert.equal(dealer.tryWrite(task(4)), false, 'it has what it wanted ahead');
    assert.throws(() => dealer.flush({ timeout: 20 }), krenError('KREN_TIMED_OUT', name));
    await assert.rejects(dealer.flushAsync({ timeout: 20 }), krenError('KREN_TIMED_OUT', name));
    await victim.kill();
    const worker = closing(t, new kren.Worker(name));
    const again = [];
    for (let at = 0; at < 4; at += 1) again.push(await worker.readAsync({ timeout: PATIENCE }));
    assert.deepEqual(
      again.map((work) => [work.readUInt32LE(0), work.redelivered]),
      [0, 1, 2, 3].map((at) => [at, true]),
    );
    await dealer.writeAsync(task(5), { timeout: PATIENCE });
    const fresh = await worker.readAsync({ timeout: PATIENCE });
    assert.deepEqual([fresh.readUInt32LE(0), fresh.redelivered], [5, false]);
    const flushed = dealer.flushAsync({ timeout: PATIENCE });
    worker.done();
    await flushed;
  });

  it('P10: a dealer that is killed has a successor, and no work is lost', async (t) => {
    const name = channelName();
    const worker = closing(t, new kren.Worker(name));
    const seen = new Set();
    let dealt = 0;
    for (let life = 0; life < 3; life += 1) {
      const dealer = child(t, name, DEAL(life * 1000, 400));
      assert.equal(await dealer.line(), 'ready');
      for (let more = 0; more < 100 + life * 50; more += 1) {
        seen.add((await worker.readAsync({ timeout: PATIENCE })).readUInt32LE(0));
      }
      await dealer.kill();
      const said = [...(await dealer.end()).output.matchAll(/dealt (\d+)/g)].at(-1)?.[1];
      dealt = Number(said ?? life * 1000) - life * 1000;
      await assert.rejects(
        async () => {
          for (;;) seen.add((await worker.readAsync({ timeout: PATIENCE })).readUInt32LE(0));
        },
        krenError('KREN_PEER_DIED', name),
      );
      for (let at = 0; at < dealt; at += 1) assert.ok(seen.has(life * 1000 + at), `${at} of life ${life}`);
      assert.equal(worker.dealerState, 'died');
    }
  });

  it('work is done when the next is asked for, and not before', async (t) => {
    const name = channelName();
    const dealer = closing(t, new kren.Dealer(name, 4096));
    const first = new kren.Worker(name);
    closing(t, first);
    dealer.write('one', { tag: 3, timeout: PATIENCE });
    dealer.write('two');
    dealer.write('three');
    const one = first.read({ timeout: PATIENCE });
    assert.deepEqual([String(one), one.tag, one.redelivered], ['one', 3, false]);
    const [two] = first.readMany(1);
    assert.equal(String(two), 'two');
    const borrowed = first.borrow();
    assert.deepEqual([String(borrowed.data), borrowed.redelivered], ['three', false]);
    first.close();
    const second = closing(t, new kren.Worker(name));
    const again = [await second.readAsync({ timeout: PATIENCE }), second.read({ timeout: PATIENCE })];
    assert.deepEqual(
      again.map((work) => [String(work), work.redelivered]),
      [
        ['two', true],
        ['three', true],
      ],
    );
    assert.equal(second.tryRead(), null);
    const giveUp = new AbortController();
    const waiting = second.readAsync({ signal: giveUp.signal });
    await dealer.flushAsync({ timeout: PATIENCE });
    giveUp.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
  });

  it('waits for a worker, and keeps one key with one worker', async (t) => {
    const name = channelName();
    const dealer = closing(t, new kren.Dealer(name, CAPACITY));
    assert.equal(dealer.workers, 0);
    assert.throws(() => dealer.write('x', { timeout: 10 }), krenError('KREN_TIMED_OUT', name, /worker/));
    await assert.rejects(dealer.writeAsync('x', { timeout: 10 }), krenError('KREN_TIMED_OUT', name));
    const giveUp = new AbortController();
    const aborted = dealer.writeAsync('x', { signal: giveUp.signal });
    giveUp.abort(new Error('enough'));
    await assert.rejects(aborted, /enough/);
    const waiting = dealer.writeAsync('first', { timeout: PATIENCE });
    const workers = closing(t, new kren.Worker(name), new kren.Worker(name), new kren.Worker(name));
    await waiting;
    assert.equal(dealer.tryWrite('again'), true);
    assert.equal(dealer.workers, 3);
    const keys = ['red', 'green', 'blue', 'white', 'black'];
    for (let at = 0; at < 50; at += 1) dealer.write(keys[at % 5], { key: keys[at % 5] });
    const keepers = new Map();
    for (const [who, worker] of workers.entries()) {
      for (let work = await worker.readAsync({ timeout: PATIENCE }); work !== null; work = worker.tryRead()) {
        const text = String(work);
        if (text === 'first' || text === 'again') continue;
        assert.equal(keepers.get(text) ?? who, who);
        keepers.set(text, who);
      }
      if (keepers.size === keys.length) break;
    }
    assert.throws(() => dealer.write('x', { key: 1 }), TypeError);
    assert.throws(() => dealer.write(Buffer.alloc(CAPACITY)), krenError('KREN_TOO_LARGE', name));
    assert.throws(() => new kren.Dealer(name, CAPACITY), krenError('KREN_WRITER_EXISTS', name));
    assert.throws(() => new kren.Sender(name), krenError('KREN_WRONG_KIND', name));
    assert.equal(dealer.isRemoved || workers[0].isRemoved, false);
  });

  it('the end of a closed dealer ends the loop, and arrays are work as well', async (t) => {
    const name = channelName();
    const dealing = child(
      t,
      name,
      `const dealer = new kren.Dealer(name, 16384);
       dealer.writeArray(new Int32Array([1, 2]), { timeout: ${PATIENCE} });
       dealer.writeMany(['a', 'b']);
       dealer.close();`,
    );
    const worker = closing(t, new kren.Worker(name));
    const { data } = await worker.readArrayAsync({ timeout: PATIENCE });
    assert.deepEqual([...data], [1, 2]);
    const rest = [];
    for await (const work of worker) rest.push(String(work));
    assert.deepEqual(rest, ['a', 'b']);
    await assertFine(dealing);
    worker.close();
    assertGone(name);
  });
});
