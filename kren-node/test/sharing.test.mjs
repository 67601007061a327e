// One machine, many users: worker threads at the same time, other programs, and very many channels. Whoever is
// refused gets a clear error, and nobody breaks the ring or leaves anything behind.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import { test } from 'node:test';
import * as threads from 'node:worker_threads';
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

const { Worker, markAsUncloneable } = threads;
const skip = process.platform === 'linux' ? false : 'descriptors and /dev/shm, as Linux has them';
const place = JSON.stringify(createRequire(import.meta.url).resolve('@pawanxz/kren'));

/** A worker thread that runs `code`, with `kren`, `data` and `parentPort` at hand. */
function worker(code, data) {
  const prelude = `const kren = require(${place}); const { workerData: data, parentPort } = require('node:worker_threads');`;
  return new Worker(prelude + code, { eval: true, workerData: data });
}

const descriptors = () => readdirSync('/proc/self/fd').length;

const STREAM = `
  const text = (number) => Buffer.alloc(number % 200, number & 255);
  const write = async (writer) => {
    for (let number = 0; number < data.count; number++) {
      const message = Buffer.concat([Buffer.from([number >> 8, number & 255]), text(number)]);
      if (number % 2) writer.write(message);
      else await writer.writeAsync(message);
    }
  };
  const read = async (reader) => {
    for (let number = 0; number < data.count; number++) {
      const message = number % 2 ? reader.read() : await reader.readAsync();
      if (message.readUInt16BE(0) !== number || !message.subarray(2).equals(text(number))) throw new Error('message ' + number);
    }
  };
`;

test('many worker threads stream at once, blocking and not (G1)', { timeout: 120_000 }, async () => {
  const names = Array.from({ length: 4 }, channelName);
  const workers = names.flatMap((name) => [
    worker(
      `${STREAM} const writer = new kren.Writer(data.name, 4096); write(writer).then(() => writer.close());`,
      {
        name,
        count: 3000,
      },
    ),
    worker(
      `${STREAM} kren.connect(data.name, { timeout: 60000 }).then(async (reader) => { await read(reader); reader.close(); });`,
      { name, count: 3000 },
    ),
  ]);
  const ends = await Promise.all(workers.map((running) => once(running, 'exit')));
  assert.deepEqual(ends, Array(8).fill([0]));
  names.forEach(assertGone);
});

test('every endpoint knows whether its name was taken away', { skip }, (t) => {
  const [channel, broadcast, post, queue, service] = Array.from({ length: 5 }, channelName);
  const ends = closing(
    t,
    new kren.Writer(channel, 4096),
    new kren.Reader(channel),
    new kren.Publisher(broadcast, 4096),
    new kren.Subscriber(broadcast),
    new kren.Inbox(post, 4096),
    new kren.Sender(post),
    new kren.Dealer(queue, 4096),
    new kren.Worker(queue),
    new kren.Server(service),
    new kren.Client(service),
  );
  assert.deepEqual(new Set(ends.map((end) => end.isRemoved)), new Set([false]));
  for (const name of [channel, broadcast, post, queue, service]) rmSync(`/dev/shm/kren-${name}`);
  assert.deepEqual(new Set(ends.map((end) => end.isRemoved)), new Set([true]));
  ends[0].close();
  assert.throws(() => ends[0].isRemoved, krenError('KREN_CLOSED', channel));
});

test('an endpoint is not sent to another thread', {
  skip: markAsUncloneable ? false : 'from Node.js 22.10 on',
}, (t) => {
  const name = channelName();
  const [writer, reader] = pair(t);
  const [inbox, sender] = closing(t, new kren.Inbox(name, 4096), new kren.Sender(name));
  for (const end of [writer, reader, inbox, sender]) {
    assert.throws(() => structuredClone(end), { name: 'DataCloneError' });
  }
});

test('of many threads that want one role, one gets it (G5)', async () => {
  const code = `
    parentPort.once('message', () => {
      try {
        const writer = new kren.Writer(data, 4096);
        parentPort.postMessage('taken');
        parentPort.once('message', () => { writer.close(); parentPort.close(); });
      } catch (error) {
        parentPort.postMessage(error.code);
        parentPort.once('message', () => parentPort.close());
      }
    });
    parentPort.postMessage('up');`;
  const name = channelName();
  const workers = Array.from({ length: 4 }, () => worker(code, name));
  await Promise.all(workers.map((running) => once(running, 'message')));
  const answers = workers.map((running) => once(running, 'message'));
  for (const running of workers) running.postMessage('go');
  const said = (await Promise.all(answers)).map(([word]) => word).sort();
  assert.deepEqual(said, ['KREN_WRITER_EXISTS', 'KREN_WRITER_EXISTS', 'KREN_WRITER_EXISTS', 'taken']);
  const ends = workers.map((running) => once(running, 'exit'));
  for (const running of workers) running.postMessage('end');
  await Promise.all(ends);
  assertGone(name);
});

test('an endpoint cannot be sent to another thread, and works on after the attempt', async (t) => {
  const [writer, reader] = pair(t);
  const running = worker(
    `parentPort.once('message', (given) => {
      let said = 'nothing to use';
      try { if (given && typeof given.read === 'function') said = String(given.read()); } catch (error) { said = error.message; }
      parentPort.postMessage(said);
    });`,
  );
  writer.write('here');
  try {
    running.postMessage(reader);
    assert.equal((await once(running, 'message'))[0], 'nothing to use');
  } catch (error) {
    assert.equal(error.name, 'DataCloneError');
  } finally {
    await running.terminate();
  }
  assert.equal(reader.read().toString(), 'here');
});

test('a started program inherits nothing', { skip }, (t) => {
  pair(t);
  const listed = spawnSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
  assert.equal(listed.status, 0);
  assert.doesNotMatch(listed.stdout, /shm/);
});

test('thousands of channels one after the other leave nothing', { skip, timeout: 120_000 }, async () => {
  const name = channelName();
  const cycle = async (number) => {
    const writer = new kren.Writer(name, 4096);
    const reader = new kren.Reader(name);
    writer.write('x');
    const message = number % 10 === 0 ? await reader.readAsync() : reader.read();
    assert.equal(message.toString(), 'x');
    if (number % 100 === 0) {
      assert.throws(() => new kren.Writer(name, 4096), krenError('KREN_WRITER_EXISTS', name));
    }
    writer.close();
    reader.close();
    assert.throws(() => new kren.Reader(name), krenError('KREN_NOT_FOUND', name));
  };
  await cycle(0);
  const before = descriptors();
  for (let number = 1; number <= 3000; number++) await cycle(number);
  assert.equal(descriptors(), before);
  assertGone(name);
});

test('a thousand channels at once', { skip, timeout: 120_000 }, async (t) => {
  const name = channelName();
  const running = child(
    t,
    name,
    `const pairs = Array.from({ length: 1000 }, (_, at) => [new kren.Writer(name + '-' + at, 4096), new kren.Reader(name + '-' + at)]);
     for (let turn = 0; turn < 3; turn++) {
       pairs.forEach(([writer], at) => writer.write(turn + ' ' + at));
       pairs.forEach(([, reader], at) => require('node:assert').equal(reader.read().toString(), turn + ' ' + at));
     }
     // Every one of them waits on the event loop at the same time.
     Promise.all(pairs.map(([, reader]) => reader.readAsync())).then((messages) => {
       require('node:assert').deepEqual(messages.map(String), pairs.map((_, at) => 'async ' + at));
       for (const both of pairs) for (const endpoint of both) endpoint.close();
       say('done');
     });
     setImmediate(() => pairs.forEach(([writer], at) => writer.write('async ' + at)));`,
  );
  assert.equal(await running.line(), 'done');
  await assertFine(running);
  assertGone(name);
});

test('a process without descriptors is told so, and leaves nothing behind', { skip }, async (t) => {
  const name = channelName();
  const running = child(
    t,
    name,
    `const fs = require('node:fs');
     const taken = [];
     try { for (;;) taken.push(fs.openSync('/dev/null')); } catch {}
     for (let left = 0; left < 3; left++) {
       try { new kren.Writer(name, 4096); say('it worked'); }
       catch (error) { if (error.code !== 'KREN_IO' || !error.message.includes('descriptor')) say(error.stack); }
       fs.closeSync(taken.pop());
     }
     taken.forEach((fd) => fs.closeSync(fd));
     new kren.Writer(name, 4096).close();
     say('done');`,
    [],
  );
  assert.equal(await running.line(), 'done');
  await assertFine(running);
  assertGone(name);
});

test('closing in one place ends what waits in many', async (t) => {
  const name = channelName();
  const writer = closing(t, new kren.Writer(name, 4096));
  const reader = closing(t, new kren.Reader(name));
  const waiting = Array.from({ length: 50 }, () => reader.readAsync());
  const settled = Promise.allSettled(waiting);
  reader.close();
  for (const { status, reason } of await settled) {
    assert.equal(status, 'rejected');
    assert.match(reason.code, /^KREN_/);
  }
  writer.close();
  assertGone(name);
});
