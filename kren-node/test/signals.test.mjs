// A call that blocks the event loop keeps the handlers of signals waiting, and so makes way for them.

import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { assertFine, channelName, child, closing, kren, leaving } from './support/index.mjs';

const skip = process.platform === 'linux' ? false : 'where the pipe of signals is found';

const PAIR = 'const w = new kren.Writer(name, 4096), r = new kren.Reader(name);';

const calls = {
  'read()': `${PAIR} const call = () => r.read();`,
  'read() with a timeout': `${PAIR} const call = () => r.read({ timeout: 1e8 });`,
  'a loop': `${PAIR} const call = () => { for (const message of r) say(message); };`,
  'borrow()': `${PAIR} const call = () => r.borrow();`,
  'write()': `${PAIR} w.write(Buffer.alloc(4000)); const call = () => w.write(Buffer.alloc(4000));`,
  'flush()': `${PAIR} w.write('x'); const call = () => w.flush();`,
  'new Reader() that waits': 'const call = () => new kren.Reader(name, { timeout: Infinity });',
};

/** Sends `signal` to a child that is about to block, until it has ended. */
async function ended(running, signal) {
  const end = running.end();
  const sending = setInterval(() => process.kill(running.pid, signal), 300);
  try {
    process.kill(running.pid, signal);
    return await end;
  } finally {
    clearInterval(sending);
  }
}

for (const [what, code] of Object.entries(calls)) {
  test(`${what} is interrupted by a signal that has a handler, which runs then`, {
    skip,
    timeout: 60_000,
  }, async (t) => {
    for (const env of [{}, { KREN_NODE_RING: 'native' }]) {
      const name = channelName();
      leaving(t, name);
      const running = child(
        t,
        name,
        `${code}
         process.on('SIGTERM', () => { say('handled'); process.exit(0); });
         setInterval(() => {}, 1000);
         say('up');
         try { call(); } catch (error) { say(error.code + ' ' + error.number + ' ' + error.message); }`,
        [],
        env,
      );
      await running.line();
      const { code: status, output } = await ended(running, 'SIGTERM');
      assert.equal(status, 0);
      assert.match(output, new RegExp(`^KREN_INTERRUPTED 18 .*'${name}'.*SIGTERM.*readAsync.*\nhandled\n`));
    }
  });
}

test('a preload with handlers, as of tsx and nodemon, leaves a blocked program killable', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const preload = `data:text/javascript,${encodeURIComponent(
    "for (const s of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(s, () => {});",
  )}`;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    const running = child(t, channelName(), `${PAIR} say('up'); r.read();`, ['--import', preload]);
    await running.line();
    const { code, errors } = await ended(running, signal);
    assert.equal(code, 1);
    assert.match(errors, /KREN_INTERRUPTED/);
    assert.match(errors, new RegExp(signal));
  }
});

test('short waits one after the other do not keep a signal waiting for ever', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const running = child(
    t,
    channelName(),
    `${PAIR} process.on('SIGINT', () => {}); say('up');
     for (;;) try { r.read({ timeout: 5 }); } catch (error) { if (error.code !== 'KREN_TIMED_OUT') throw error; }`,
  );
  await running.line();
  const { errors } = await ended(running, 'SIGINT');
  assert.match(errors, /KREN_INTERRUPTED/);
});

test('a signal that has been handled, or ends nothing, interrupts no later call', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const name = channelName();
  const running = child(
    t,
    name,
    `const r = new kren.Reader(name, { timeout: 20000 });
     const { spawn } = require('node:child_process');
     process.on('SIGWINCH', () => {});
     process.once('SIGUSR2', () => {
       setTimeout(() => {
         // While the call below blocks: a child that ends, and a terminal that changes its size.
         spawn(process.execPath, ['-e', 'process.kill(' + process.pid + ', "SIGWINCH")']);
         say('up');
         say(r.read({ timeout: 20000 }).toString());
         process.exit(0);
       }, 200);
     });
     process.kill(process.pid, 'SIGUSR2');
     setInterval(() => {}, 1000);`,
  );
  const writer = closing(t, new kren.Writer(name, 4096));
  await running.line();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  writer.write('undisturbed');
  assert.equal(await running.line(), 'undisturbed');
  await assertFine(running);
});

test("a worker that blocks is not disturbed by the main thread's signals", {
  skip,
  timeout: 60_000,
}, async (t) => {
  const name = channelName();
  const running = child(
    t,
    name,
    `const { Worker } = require('node:worker_threads');
     process.on('SIGUSR2', () => {});
     const code = 'const kren = require(' + JSON.stringify(require.resolve('@pawanxz/kren')) + ');' +
       'const { workerData, parentPort } = require("node:worker_threads");' +
       'const r = new kren.Reader(workerData, { timeout: 20000 }); parentPort.postMessage("up");' +
       'parentPort.postMessage(r.read({ timeout: 20000 }).toString());';
     const worker = new Worker(code, { eval: true, workerData: name });
     worker.on('message', (text) => {
       say(text);
       // The loop of the main thread stands still for a while, with a signal to be handled.
       if (text === 'up') { process.kill(process.pid, 'SIGUSR2'); const until = Date.now() + 500; while (Date.now() < until); say('on'); }
     });`,
  );
  const writer = closing(t, new kren.Writer(name, 4096));
  assert.equal(await running.line(), 'up');
  assert.equal(await running.line(), 'on');
  writer.write('undisturbed');
  assert.equal(await running.line(), 'undisturbed');
  await assertFine(running);
});
