// What the tests share: channel names of their own, and other processes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const packageFolder = fileURLToPath(new URL('../..', import.meta.url));

/** The package as `require('@pawanxz/kren')` gives it. */
export const kren = createRequire(import.meta.url)('@pawanxz/kren');

let names = 0;

const prefix = `node-test-${process.pid}-`;

/** A channel name that no other test uses. */
export function channelName() {
  names += 1;
  return prefix + names;
}

// Each file of tests is a process of its own, so this holds for each of them.
after(() => assertGone(prefix));

/** Asserts that nothing of the channel is left in shared memory. */
export function assertGone(name) {
  if (process.platform !== 'linux') return;
  assert.deepEqual(
    readdirSync('/dev/shm').filter((entry) => entry.includes(name)),
    [],
  );
}

/** Closes endpoints when the test ends, however it ends. */
export function closing(t, ...endpoints) {
  t.after(() => {
    for (const endpoint of endpoints) endpoint.close();
  });
  return endpoints.length === 1 ? endpoints[0] : endpoints;
}

/** Takes away, when the test ends, what it leaves in the channel: messages on purpose, or damage. */
export function leaving(t, name) {
  t.after(() => {
    if (process.platform !== 'linux') return;
    const left = (entry) => entry === `kren-${name}` || entry.startsWith(`kren-${name}@`);
    for (const entry of readdirSync('/dev/shm').filter(left)) rmSync(`/dev/shm/${entry}`);
  });
}

export function pair(t, capacity = 65536, options = undefined) {
  const name = channelName();
  const writer = new kren.Writer(name, capacity, options);
  const reader = new kren.Reader(name);
  return closing(t, writer, reader);
}

/**
 * Another process that runs `code`, with `kren`, `name` and `say(line)` at hand.
 *
 * `line()` gives its next line of output, `end()` waits for its end.
 */
export function child(t, name, code, flags = [], env = {}) {
  const script =
    `const kren = require('@pawanxz/kren'); const name = ${JSON.stringify(name)};` +
    `const say = (line) => require('node:fs').writeSync(1, line + '\\n');${code}`;
  const running = spawn(process.execPath, [...flags, '-e', script], {
    cwd: packageFolder,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  running.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  running.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const closed = once(running, 'close');
  t.after(async () => {
    running.kill('SIGKILL');
    await closed;
  });
  return {
    pid: running.pid,
    stdin: running.stdin,
    async line() {
      while (!output.includes('\n')) {
        const over = await Promise.race([once(running.stdout, 'data'), closed.then(() => 'over')]);
        if (over === 'over' && !output.includes('\n')) throw new Error(`the child ended: ${errors}`);
      }
      const end = output.indexOf('\n');
      const line = output.slice(0, end);
      output = output.slice(end + 1);
      return line;
    },
    async end() {
      const [code, signal] = await closed;
      return { code, signal, output, errors };
    },
    async kill() {
      running.kill('SIGKILL');
      await closed;
    },
  };
}

/** Asserts that a child ended well. */
export async function assertFine(running) {
  const { code, errors } = await running.end();
  assert.equal(code, 0, errors);
}

/** For assert.throws and assert.rejects: a KrenError of that code, on that channel. */
export function krenError(code, channel, text = /./) {
  return (error) => {
    assert.ok(error instanceof kren.KrenError, `${error}`);
    assert.equal(error.code, code);
    assert.equal(error.number, kren.errorCodes[code]);
    assert.equal(error.channel, channel);
    assert.match(error.message, text);
    return true;
  };
}

/** A promise of the next turn of the event loop. */
export function nextTurn() {
  return new Promise((resolve) => setImmediate(resolve));
}
