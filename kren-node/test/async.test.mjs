// The calls that leave the event loop free.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { Readable } from 'node:stream';
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
  nextTurn,
  pair,
} from './support/index.mjs';

const text = (message) => message.toString();

test('timers run while readAsync waits, and nothing burns (G9)', async (t) => {
  const [writer, reader] = pair(t);
  const waiting = reader.readAsync();
  const before = process.cpuUsage();
  const started = performance.now();
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
  }, 5);
  await sleep(400);
  clearInterval(timer);
  const used = process.cpuUsage(before);
  assert.ok(ticks > 5, `${ticks} ticks`);
  // Whoever polls without sleeping uses all of the time, not half of it.
  assert.ok((used.user + used.system) / 1e3 < (performance.now() - started) / 2);
  writer.write('there');
  assert.equal(text(await waiting), 'there');
});

/** Native threads of this process that wait on behalf of its promises. */
function waitingThreads() {
  const names = readdirSync('/proc/self/task').map((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim();
    } catch {
      return ''; // It has ended meanwhile.
    }
  });
  return names.filter((name) => name === 'kren-wait').length;
}

test('all endpoints that are awaited share one thread (G9)', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const pairs = Array.from({ length: 200 }, () => pair(t));
  const reading = pairs.map(([, reader]) => reader.readAsync());
  await nextTurn();
  assert.equal(waitingThreads(), 1);
  const before = process.cpuUsage();
  await sleep(500);
  const spent = process.cpuUsage(before);
  assert.ok(
    spent.user + spent.system < 100_000,
    `${spent.user + spent.system} us of a processor in half a second`,
  );
  for (const [at, [writer]] of pairs.entries()) writer.write(`${at}`);
  for (const [at, message] of (await Promise.all(reading)).entries()) assert.equal(text(message), `${at}`);
  for (const end of pairs.flat()) end.close();
  assert.equal(waitingThreads(), 0);
});

test('calls that wait together are served in their order', async (t) => {
  const [writer, reader] = pair(t);
  const order = [];
  const waiting = [1, 2, 3, 4, 5].map((n) =>
    reader.readAsync().then((message) => order.push(`${n}:${message}`)),
  );
  await nextTurn();
  for (const n of [1, 2, 3, 4, 5]) writer.write(`m${n}`);
  await Promise.all(waiting);
  assert.deepEqual(order, ['1:m1', '2:m2', '3:m3', '4:m4', '5:m5']);
});

test('a message that is there is not waited for', async (t) => {
  const [writer, reader] = pair(t);
  writer.write('now');
  assert.equal(text(await reader.readAsync({ timeout: 0 })), 'now');
  writer.write('now');
  assert.equal(text(await reader.readAsync({ signal: new AbortController().signal })), 'now');
});

test('no message is lost to a timeout or an abort (G1)', async (t) => {
  const [writer, reader] = pair(t);
  const controller = new AbortController();
  const first = reader.readAsync({ timeout: 10 });
  const second = reader.readAsync({ signal: controller.signal });
  const third = reader.readAsync({ timeout: 20_000, signal: controller.signal });
  const fourth = reader.readAsync();
  await assert.rejects(first, krenError('KREN_TIMED_OUT', reader.name));
  controller.abort(new Error('enough'));
  await assert.rejects(second, { message: 'enough' });
  await assert.rejects(third, { message: 'enough' });
  writer.write('for the fourth');
  assert.equal(text(await fourth), 'for the fourth');

  await assert.rejects(reader.readAsync({ signal: controller.signal }), { message: 'enough' });
  await assert.rejects(reader.readAsync({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(reader.readAsync({ signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
  writer.write('still there');
  assert.equal(text(reader.read()), 'still there');
});

test('blocking calls work after an asynchronous one was given up', async (t) => {
  const name = channelName();
  const writing = child(
    t,
    name,
    'const w = new kren.Writer(name, 4096); process.stdin.once("data", () => w.write("woken")); say("open");',
  );
  await writing.line();
  const reader = closing(t, new kren.Reader(name));
  await assert.rejects(reader.readAsync({ timeout: 5 }), krenError('KREN_TIMED_OUT', name));
  writing.stdin.end('go');
  // The helper thread still waits on behalf of the call that was given up; it must make room.
  assert.equal(text(reader.read({ timeout: 20_000 })), 'woken');
});

test('a blocking call does not overtake those that wait', async (t) => {
  const [writer, reader] = pair(t, 4096);
  const reading = reader.readAsync();
  assert.throws(() => reader.read(), krenError('KREN_BUSY', reader.name, /read\(\) would block/));
  assert.equal(reader.tryRead(), null);
  writer.write('first');
  writer.write('second');
  assert.equal(text(reader.tryRead()), 'second');
  assert.equal(text(await reading), 'first');

  writer.write(Buffer.alloc(writer.maxMessageLength));
  const writing = writer.writeAsync('x');
  assert.throws(() => writer.write('y'), krenError('KREN_BUSY', writer.name));
  assert.throws(() => writer.flush(), krenError('KREN_BUSY', writer.name));
  assert.equal(writer.tryWrite('y'), false);
  reader.read();
  assert.equal(writer.tryWrite('z'), true);
  await writing;
  assert.deepEqual([text(reader.read()), text(reader.read())], ['x', 'z']);
});

test('writeAsync waits for room, in order', async (t) => {
  const [writer, reader] = pair(t, 4096);
  const sent = [];
  const writing = [];
  for (let i = 0; i < 12; i++) {
    const message = Buffer.alloc(1500, i);
    writing.push(writer.writeAsync(message, { tag: i }).then(() => sent.push(i)));
  }
  for (let i = 0; i < 12; i++) {
    const message = await reader.readAsync({ timeout: 20_000 });
    assert.ok(message.equals(Buffer.alloc(1500, i)), `message ${i}`);
    assert.equal(reader.lastTag, i);
  }
  await Promise.all(writing);
  assert.deepEqual(sent, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test('a small message goes when the large one before it is given up', async (t) => {
  const [writer, reader] = pair(t, 8192);
  writer.write(Buffer.alloc(2000));
  writer.write(Buffer.alloc(6000));
  const controller = new AbortController();
  const large = writer.writeAsync(Buffer.alloc(8000), { signal: controller.signal });
  const small = writer.writeAsync('small');
  await nextTurn();
  reader.read();
  controller.abort();
  await assert.rejects(large, { name: 'AbortError' });
  await small;
  reader.read();
  assert.equal(text(reader.read()), 'small');
});

test('flushAsync waits until the reader has taken everything', async (t) => {
  const [writer, reader] = pair(t);
  await writer.flushAsync();
  writer.write('a');
  writer.write('b');
  let isFlushed = false;
  const flushing = writer.flushAsync().then(() => {
    isFlushed = true;
  });
  reader.read();
  await sleep(10);
  assert.equal(isFlushed, false);
  reader.read();
  await flushing;
});

test('closing rejects those that wait, at once', async (t) => {
  const [writer, reader] = pair(t, 4096);
  writer.write(Buffer.alloc(4000));
  const writing = [writer.writeAsync(Buffer.alloc(500)), writer.flushAsync()];
  writer.close();
  for (const promise of writing) {
    await assert.rejects(
      promise,
      krenError('KREN_CLOSED', writer.name, /this writer was closed while it waited/),
    );
  }
  const other = closing(t, new kren.Writer(channelName(), 4096));
  const otherReader = new kren.Reader(other.name);
  const reading = [otherReader.readAsync(), otherReader.readAsync({ timeout: 20_000 })];
  const loop = (async () => {
    for await (const message of otherReader) assert.fail(`a message: ${message}`);
  })();
  otherReader.close();
  for (const promise of reading) {
    await assert.rejects(
      promise,
      krenError('KREN_CLOSED', other.name, /this reader was closed while it waited/),
    );
  }
  await loop;
  // What was delivered before stays to be read.
  assert.equal(reader.read().length, 4000);
});

test('for await ends when the writer has closed and everything is read', async (t) => {
  const name = channelName();
  const writing = child(
    t,
    name,
    `(async () => {
      const w = new kren.Writer(name, 4096);
      for (let i = 0; i < 1000; i++) await w.writeAsync('message ' + i);
    })();`,
  );
  const reader = closing(t, await kren.connect(name, { timeout: 20_000 }));
  let next = 0;
  for await (const message of reader) {
    assert.equal(text(message), `message ${next}`);
    next += 1;
  }
  assert.equal(next, 1000);
  await assertFine(writing);
  await assert.rejects(reader.readAsync(), krenError('KREN_CLOSED', name, /closed by its writer/));
});

test('leaving for await leaves the reader open', async (t) => {
  const [writer, reader] = pair(t);
  for (const message of ['a', 'b', 'c']) writer.write(message);
  for await (const message of reader) {
    assert.equal(text(message), 'a');
    break;
  }
  assert.equal(text(await reader.readAsync()), 'b');
  assert.equal(text(reader.read()), 'c');
});

// Each of these would spin until the limit if ready messages kept the event loop from turning.
const LIMIT = 3_000_000;

async function turnsWhile(run) {
  let isOver = false;
  setTimeout(() => {
    isOver = true;
  }, 5);
  let calls = 0;
  await run(() => {
    calls += 1;
    assert.ok(calls < LIMIT, 'the timer never had its turn');
    return !isOver;
  });
}

test('for await over messages that are there lets timers run', async (t) => {
  const [writer, reader] = pair(t);
  await turnsWhile(async (goesOn) => {
    writer.write('more');
    for await (const _ of reader) {
      if (!goesOn()) break;
      writer.write('more');
    }
  });
});

test('so do readAsync and writeAsync in a row', async (t) => {
  const [writer, reader] = pair(t);
  await turnsWhile(async (goesOn) => {
    while (goesOn()) {
      writer.write('more');
      await reader.readAsync();
    }
  });
  await turnsWhile(async (goesOn) => {
    while (goesOn()) {
      await writer.writeAsync('more');
      reader.read();
    }
  });
});

test('an iteration that is left while it waits takes no message (G1)', async (t) => {
  const [writer, reader] = pair(t);
  for (const messages of [reader[Symbol.asyncIterator](), reader.lend()[Symbol.asyncIterator]()]) {
    const waiting = [messages.next(), messages.next()];
    const nobody = await Promise.race([waiting[0], sleep(5, 'nobody')]);
    assert.equal(nobody, 'nobody');
    assert.deepEqual(await messages.return(), { done: true, value: undefined });
    for (const next of waiting) assert.deepEqual(await next, { done: true, value: undefined });
    assert.deepEqual(await messages.next(), { done: true, value: undefined });
    writer.write('for the next one');
    await nextTurn();
    assert.equal(text(reader.read()), 'for the next one');
  }
  const stream = Readable.from(reader);
  stream.resume();
  await nextTurn();
  stream.destroy();
  await once(stream, 'close');
  writer.write('still there');
  assert.equal(text(await reader.readAsync({ timeout: 20_000 })), 'still there');
});

test('an iteration that was left does not keep the process alive', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const { Readable } = require('node:stream');
     const w = new kren.Writer(name, 4096), r = new kren.Reader(name);
     globalThis.kept = [w, r];
     const stream = Readable.from(r).resume(), messages = r[Symbol.asyncIterator]();
     messages.next().then(({ done }) => say('done ' + done));
     setTimeout(() => { stream.destroy(); messages.return(); }, 20);`,
  );
  assert.equal(await other.line(), 'done true');
  await assertFine(other);
  assertGone(name);
});

test('data that loses its memory while it waits is refused, and the next goes (G1)', async (t) => {
  const [writer, reader] = pair(t, 65536);
  const changed = (now) => ({
    name: 'TypeError',
    message: new RegExp(`'${writer.name}': data had 100 bytes .* has ${now} now`),
  });
  const transferred = new Uint8Array(100);
  const released = pair(t);
  released[0].write(Buffer.alloc(100));
  const borrowed = released[1].borrow();
  const cases = [
    [transferred, 0, () => structuredClone(transferred, { transfer: [transferred.buffer] })],
    [borrowed.data, 0, () => borrowed.release()],
  ];
  if (ArrayBuffer.prototype.resize) {
    const resizable = () => new ArrayBuffer(100, { maxByteLength: 1000 });
    const [shrunk, grown, whole, window] = [resizable(), resizable(), resizable(), resizable()];
    cases.push([new Uint8Array(shrunk), 40, () => shrunk.resize(40)]);
    cases.push([new Float32Array(whole), 0, () => whole.resize(0)]);
    cases.push([new DataView(window, 0, 100), 0, () => window.resize(50)]);
    cases.push([new Uint8Array(grown), 1000, () => grown.resize(1000)]);
  }
  for (const [data, now, lose] of cases) {
    writer.write(Buffer.alloc(65_500));
    const writing = writer.writeAsync(data);
    const next = writer.writeAsync('next');
    lose();
    const refused = assert.rejects(writing, changed(now));
    assert.equal(reader.read().length, 65_500);
    await refused;
    await next;
    assert.equal(text(reader.read()), 'next');
  }
  const kept = new Uint8Array(100).fill(1);
  writer.write(Buffer.alloc(65_500));
  const writing = writer.writeAsync(kept);
  reader.read();
  await writing;
  assert.ok(reader.read().equals(kept));
});

test('one signal for many calls is no leak', async (t) => {
  const other = child(
    t,
    channelName(),
    `process.on('warning', (warning) => say(warning.name));
     const { signal } = new AbortController();
     const all = Array.from({ length: 12 }, (_, i) => [new kren.Writer(name + i, 4096), new kren.Reader(name + i)]);
     const waiting = all.map(([, r]) => r.readAsync({ signal }));
     waiting.push(...all.map(([, r]) => r.readAsync({ signal })));
     waiting.push(...all.map((_, i) => kren.connect(name + 'none' + i, { signal, timeout: 50 }).catch(() => {})));
     const streams = all.map((_, i) => kren.readable(name + 'no' + i, { signal }).resume());
     setTimeout(() => { for (const [w] of all) w.writeMany(['x', 'y']); for (const s of streams) s.destroy(); }, 20);
     Promise.all(waiting).then(() => { for (const [w, r] of all) { w.close(); r.close(); } say('done'); });`,
  );
  assert.equal(await other.line(), 'done');
  await assertFine(other);
});

test('an abort ends all calls that wait with the signal, on whatever endpoint', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const readers = Array.from({ length: 15 }, () => pair(t)[1]);
  const waiting = readers.map((reader) => reader.readAsync({ signal }));
  await assert.rejects(
    readers[0].readAsync({ signal, timeout: 5 }),
    krenError('KREN_TIMED_OUT', readers[0].name),
  );
  controller.abort(new Error('enough'));
  for (const call of waiting) await assert.rejects(call, { message: 'enough' });
});
