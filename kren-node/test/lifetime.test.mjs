// Whatever way a program ends, its endpoints are closed: the other side sees a clean end, and nothing stays behind.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  assertFine,
  assertGone,
  channelName,
  child,
  closing,
  kren,
  krenError,
  packageFolder,
} from './support/index.mjs';

const OPEN = 'const w = new kren.Writer(name, 65536), r = new kren.Reader(name + "-back"); w.write("sent");';

const ends = {
  'the end of the script': '',
  'process.exit()': 'process.exit(0);',
  'process.exit() with a call that waits': 'r.readAsync(); setTimeout(() => process.exit(0), 20);',
  'process.exit() in an exit handler, after a last message':
    'process.on("exit", () => { w.write("last"); process.exit(0); });',
  'an uncaught exception':
    'process.on("exit", () => { process.exitCode = 0; }); setTimeout(() => { throw new Error("x"); });',
  'a call that waits, without ref':
    'r.unref(); r.readAsync(); w.unref(); w.write(Buffer.alloc(65000)); w.writeAsync("y".repeat(9999));',
  'a call that waits, unref after': 'r.readAsync({ timeout: 1e9 }); r.unref();',
  'dropping the endpoints': 'globalThis.gc();',
};

for (const [how, code] of Object.entries(ends)) {
  test(`${how} closes what is open`, async (t) => {
    const name = channelName();
    const back = new kren.Writer(`${name}-back`, 4096);
    const other = child(t, name, OPEN + code, ['--expose-gc']);
    await other.end();
    const reader = new kren.Reader(name);
    assert.equal(reader.writerState, 'closed');
    assert.equal(back.readerState, 'closed');
    assert.equal(reader.read().toString(), 'sent');
    for (const _ of reader);
    reader.close();
    back.close();
    assertGone(name);
  });
}

test('a call that waits keeps the process alive, until it is served', async (t) => {
  const name = channelName();
  const waiting = child(
    t,
    name,
    'const r = new kren.Reader(name, { timeout: 20000 }); r.unref().ref(); r.readAsync().then((m) => say(m.toString())); say("up");',
  );
  const writer = closing(t, new kren.Writer(name, 4096));
  await waiting.line();
  await new Promise((resolve) => setTimeout(resolve, 100));
  writer.write('served');
  assert.equal(await waiting.line(), 'served');
  await assertFine(waiting);
});

test('an endpoint that nobody holds is closed when it is collected, one that waits is not', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `(async () => {
      (() => { const w = new kren.Writer(name, 4096); w.write('x'); })();
      (() => { new kren.Reader(name).readAsync().then(() => {}); })();
      const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
      const held = new kren.Writer(name + '-waits', 4096);
      const waits = (() => new kren.Reader(name + '-waits').readAsync())();
      for (let i = 0; i < 20; i++) { globalThis.gc(); await turn(); }
      new kren.Writer(name, 4096).close();
      held.write('found');
      say('collected ' + await waits);
    })();`,
    ['--expose-gc'],
  );
  assert.equal(await other.line(), 'collected found');
  await assertFine(other);
  assertGone(name);
});

const workerCode = (code) =>
  `const kren = require('@pawanxz/kren'); const { workerData: name, parentPort } = require('node:worker_threads'); ${code}`;

/** A worker that runs `code`. Its CommonJS code must be a file of the package to find the package by name. */
function worker(name, code) {
  const source = `require('node:module').createRequire(${JSON.stringify(`${packageFolder}test/x.js`)})`;
  return new Worker(workerCode(code).replace("require('@pawanxz/kren')", `${source}('@pawanxz/kren')`), {
    eval: true,
    workerData: name,
  });
}

test('a worker has endpoints of its own; messages go between threads', async (t) => {
  const name = channelName();
  const running = worker(
    name,
    `(async () => {
      const reader = await kren.connect(name, { timeout: 20000 });
      const writer = new kren.Writer(name + '-back', 65536);
      for await (const message of reader) await writer.writeAsync(message.reverse());
    })();`,
  );
  const writer = closing(t, new kren.Writer(name, 65536));
  const reader = closing(t, await kren.connect(`${name}-back`, { timeout: 20_000 }));
  for (const text of ['abc', 'xyz']) {
    await writer.writeAsync(text);
    assert.equal((await reader.readAsync({ timeout: 20_000 })).toString(), [...text].reverse().join(''));
  }
  writer.close();
  assert.deepEqual(await once(running, 'exit'), [0]);
  await assert.rejects(reader.readAsync(), krenError('KREN_CLOSED', reader.name));
  reader.close();
  assertGone(name);
});

const busy = {
  'while it waits': 'reader.readAsync(); parentPort.postMessage("up");',
  'while it blocks in read()': 'parentPort.postMessage("up"); reader.read();',
  'while it blocks in write()': 'parentPort.postMessage("up"); for (;;) writer.write("x");',
  'while it blocks in flush()': 'writer.write("x"); parentPort.postMessage("up"); writer.flush();',
  'while it waits for a channel': 'kren.connect(name + "-none"); parentPort.postMessage("up");',
  'while it blocks for a channel':
    'parentPort.postMessage("up"); new kren.Reader(name + "-none", { timeout: Infinity });',
};

for (const [what, code] of Object.entries(busy)) {
  test(`a worker can be terminated ${what}, which closes its endpoints`, async () => {
    const name = channelName();
    const back = new kren.Writer(`${name}-back`, 4096);
    const open =
      'const reader = new kren.Reader(name + "-back"), writer = new kren.Writer(name, 4096); writer.write("sent");';
    const running = worker(name, open + code);
    await once(running, 'message');
    await new Promise((resolve) => setTimeout(resolve, 30));
    await running.terminate();
    assert.equal(back.readerState, 'closed');
    const reader = new kren.Reader(name);
    assert.equal(reader.writerState, 'closed');
    for (const _ of reader);
    reader.close();
    back.close();
    assertGone(name);
  });
}

test('a process exits although a worker of it blocks', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const { Worker } = require('node:worker_threads');
     const code = ${JSON.stringify(workerCode('new kren.Writer(name, 4096); parentPort.postMessage("up"); new kren.Reader(name).read();'))}
       .replace("require('@pawanxz/kren')", 'require(' + JSON.stringify(require.resolve('@pawanxz/kren')) + ')');
     new Worker(code, { eval: true, workerData: name }).on('message', () => setTimeout(() => process.exit(0), 30));`,
  );
  await assertFine(other);
  assertGone(name);
});
