// The programs of docs/guide as they stand there; each begins with its file name.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { channelName, closing, kren, leaving, packageFolder } from './support/index.mjs';

const guide = fileURLToPath(new URL('../../docs/guide', import.meta.url));

// A user's project: what is imported from here is found as an installed package is.
const folder = mkdtempSync(join(tmpdir(), 'kren-guide-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'node_modules/@pawanxz'), { recursive: true });
symlinkSync(packageFolder, join(folder, 'node_modules/@pawanxz/kren'), 'junction');

/** Every program of JavaScript on the page, by its name. */
function programs(page) {
  const text = readFileSync(join(guide, page), 'utf8');
  return Object.fromEntries(
    [...text.matchAll(/^```js\n\/\/ (\S+\.[cm]?js)\n(.*?)^```$/gms)].map((match) => match.slice(1)),
  );
}

const run = new Set();

/** Starts a program, with the channel that it names called otherwise. */
function start(t, page, name, written, used, env = {}) {
  run.add(`${page} ${name}`);
  const code = programs(page)[name];
  const renamed = code.replace(new RegExp(`(['\`])${written}(?=['\`-])`, 'g'), `$1${used}`);
  assert.notEqual(renamed, code, `${name} has a channel ${written}`);
  writeFileSync(join(folder, name), renamed);
  const running = spawn(process.execPath, [join(folder, name)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => running.kill('SIGKILL'));
  const lines = createInterface({ input: running.stdout })[Symbol.asyncIterator]();
  const end = new Promise((resolve) => running.once('close', (code, signal) => resolve(signal ?? code)));
  return { running, end, line: async () => (await lines.next()).value };
}

const skip = process.platform === 'linux' ? false : 'signals and channels that outlive their sides';
const timeout = 60_000;

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`stopping.md: ${signal} becomes a close`, { skip, timeout }, async (t) => {
    const name = channelName();
    const writer = closing(t, new kren.Writer(name, 4096));
    const reader = start(t, 'stopping.md', 'stop.mjs', 'ticks', name);
    assert.equal(await reader.line(), 'ready');
    writer.write('one');
    assert.equal(await reader.line(), 'one');
    reader.running.kill(signal);
    assert.equal(await reader.end, 0);
    assert.equal(writer.readerState, 'closed');
  });
}

test('again.md: a reader outlasts its writers', { skip, timeout }, async (t) => {
  const name = channelName();
  leaving(t, name); // its last reader is killed
  const first = closing(t, new kren.Writer(name, 4096));
  const reader = start(t, 'again.md', 'serve.mjs', 'jobs', name);
  assert.equal(await reader.line(), 'ready');
  first.write('one');
  first.close();
  assert.equal(await reader.line(), 'one');
  const second = closing(t, new kren.Writer(name, 4096));
  second.write('two');
  assert.equal(await reader.line(), 'two');
  rmSync(`/dev/shm/kren-${name}`);
  second.close();
  const third = closing(t, new kren.Writer(name, 8192));
  third.write('three');
  assert.equal(await reader.line(), 'three');
});

test('workers.md: a thread reads what another writes', { skip, timeout }, async (t) => {
  const threads = start(t, 'workers.md', 'threads.cjs', 'numbers', channelName());
  for (const number of [1, 2, 3]) assert.equal(await threads.line(), `thread: ${number}`);
  assert.equal(await threads.end, 0);
});

test('workers.md: each worker of a cluster has a channel', { skip, timeout }, async (t) => {
  const name = channelName();
  const cluster = start(t, 'workers.md', 'cluster.cjs', 'jobs', name);
  assert.equal(await cluster.end, 0);
  for (const slot of [0, 1]) {
    const reader = closing(t, new kren.Reader(`${name}-${slot}`));
    assert.deepEqual([...reader].map(String), [`from ${slot}`]);
  }
});

test('pm2.md: instances have a channel each, and a stop is a close', { skip, timeout }, async (t) => {
  const name = channelName();
  for (const instance of [0, 1]) {
    const env = { NODE_APP_INSTANCE: String(instance) };
    const worker = start(t, 'pm2.md', 'worker.cjs', 'jobs', name, env);
    const reader = closing(t, new kren.Reader(`${name}-${instance}`, { timeout: 30_000 }));
    assert.equal(String(reader.read({ timeout: 30_000 })), `up ${instance}`);
    worker.running.kill('SIGINT');
    assert.equal(await worker.end, 0);
    assert.equal(reader.writerState, 'closed');
  }
});

test('pm2.md: a process takes over when the old one has gone', { skip, timeout }, async (t) => {
  const name = channelName();
  const old = closing(t, new kren.Writer(name, 65536));
  const reader = closing(t, new kren.Reader(name));
  const next = start(t, 'pm2.md', 'retry.cjs', 'engine', name);
  await new Promise((resolve) => setTimeout(resolve, 200)); // tries in vain
  old.close();
  assert.equal(await next.line(), 'have it');
  assert.equal(await next.end, 0);
  assert.equal(reader.writerState, 'closed');
});

test('inbox.md: messages of many, and who has gone', { skip, timeout }, async (t) => {
  const name = channelName();
  leaving(t, name); // the inbox is killed
  const inbox = start(t, 'inbox.md', 'collect.mjs', 'events', name);
  assert.equal(await inbox.line(), 'ready');
  const sender = start(t, 'inbox.md', 'send.mjs', 'events', name);
  for (const said of [': started', ': finished', ' is done']) {
    assert.equal(await inbox.line(), `${sender.running.pid}${said}`);
  }
  assert.equal(await sender.end, 0);
});

test('inbox.md: work for any of many', { skip, timeout }, async (t) => {
  const name = channelName();
  const dealer = start(t, 'inbox.md', 'deal.mjs', 'thumbnails', name);
  const worker = start(t, 'inbox.md', 'resize.mjs', 'thumbnails', name);
  for (const work of ['cat.png', 'dog.png']) assert.equal(await worker.line(), work);
  assert.equal(await dealer.end, 0);
  assert.equal(await worker.end, 0);
});

test('service.md: calls and their answers', { skip, timeout }, async (t) => {
  const name = channelName();
  const server = start(t, 'service.md', 'serve.mjs', 'texts', name);
  assert.equal(await server.line(), 'serving');
  const client = start(t, 'service.md', 'ask.mjs', 'texts', name);
  for (const line of ['LOUDER', 'one', 'by', 'one']) assert.equal(await client.line(), line);
  assert.match(await client.line(), /no method 'none'/);
  assert.equal(await client.end, 0);
  server.running.kill('SIGTERM');
  assert.equal(await server.end, 0);
});

test('service.md: requests taken by hand', { skip, timeout }, async (t) => {
  const name = channelName();
  const server = start(t, 'service.md', 'by_hand.mjs', 'texts', name);
  assert.equal(await server.line(), 'serving');
  const client = closing(t, new kren.Client(name));
  const parts = [];
  for await (const part of client.stream('all', { timeout })) parts.push(String(part));
  assert.deepEqual(parts, ['one of several']);
  assert.equal(String(await client.call('', { method: 'stop', timeout })), 'stopped');
  assert.equal(await server.end, 0);
});

test('electron.md: messages reach a window', { skip, timeout }, async (t) => {
  run.add('electron.md main.cjs');
  writeFileSync(join(folder, 'electron.cjs'), programs('electron.md')['main.cjs']);
  const { forward } = (await import(join(folder, 'electron.cjs'))).default;
  const name = channelName();
  const writer = closing(t, new kren.Writer(name, 4096));
  writer.writeMany(['one', 'two']);
  writer.close();
  const sent = [];
  await forward(name, { webContents: { send: (channel, message) => sent.push([channel, String(message)]) } });
  assert.deepEqual(sent, [
    ['message', 'one'],
    ['message', 'two'],
  ]);
});

test('every program of the guide is run', { skip }, () => {
  const all = readdirSync(guide).flatMap((page) =>
    Object.keys(programs(page)).map((name) => `${page} ${name}`),
  );
  assert.deepEqual([...run].sort(), all.filter((name) => name !== 'pm2.md ecosystem.config.cjs').sort());
});
