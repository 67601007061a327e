// The examples that no language pair runs.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertGone, channelName, packageFolder } from './support/index.mjs';

// As a user has them: beside the package that they name.
const folder = mkdtempSync(join(tmpdir(), 'kren-examples-'));
after(() => rmSync(folder, { recursive: true }));
cpSync(fileURLToPath(new URL('../../examples/node', import.meta.url)), folder, {
  recursive: true,
  filter: (file) => !file.endsWith('node_modules'),
});
mkdirSync(join(folder, 'node_modules/@pawanxz'), { recursive: true });
symlinkSync(packageFolder, join(folder, 'node_modules/@pawanxz/kren'), 'junction');

/** Starts an example; gives its output once it has ended well. */
function start(t, name, ...args) {
  const running = spawn(process.execPath, [join(folder, name), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => running.kill('SIGKILL'));
  let output = '';
  running.stdout.on('data', (text) => {
    output += text;
  });
  const end = once(running, 'close').then(([code]) => {
    assert.equal(code, 0, name);
    return output.trim();
  });
  return { running, end };
}

test('a dealer, four workers and a collector do every task', { timeout: 60_000 }, async (t) => {
  const name = channelName();
  const collector = start(t, 'tasks_collector.js', name, 500);
  const workers = Array.from({ length: 4 }, () => start(t, 'tasks_worker.js', name));
  await Promise.all(workers.map(({ running }) => once(running.stdout, 'data')));
  const dealer = start(t, 'tasks_dealer.js', name, 500);
  const [half, collected, received] = (await collector.end).split('\n');
  assert.equal(half, 'collected 250 so far');
  assert.match(collected, /^collected 500 results of [1-4] workers$/);
  const [dealt, sent] = (await dealer.end).split('\n');
  assert.equal(dealt, 'dealt 500 tasks');
  assert.equal(received, sent);
  const did = await Promise.all(workers.map(({ end }) => end));
  const sum = did.map((line) => Number(/^ready\ndid (\d+) tasks$/.exec(line)[1])).reduce((a, b) => a + b);
  assert.equal(sum, 500);
  assertGone(name);
});

test('a client gets its answers from the model server', { timeout: 60_000 }, async (t) => {
  const name = channelName();
  const server = start(t, 'model_server.js', name);
  await once(server.running.stdout, 'data');
  const client = start(t, 'model_client.js', name, 50);
  assert.equal(await client.end, 'scored 50\nONE WORD AT A TIME');
  server.running.kill('SIGTERM');
  assert.equal(await server.end, 'serving');
  assertGone(name);
});

test('examples/node/in_place.js says what it should', () => {
  const name = channelName();
  // As a text, so that it finds the package of this folder, not one that may not be installed beside it.
  const source = readFileSync(new URL('../../examples/node/in_place.js', import.meta.url), 'utf8');
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', source, 'in_place.js', name], {
    cwd: packageFolder,
    env: { ...process.env, KREN_NODE_RING: '' },
    encoding: 'utf8',
    timeout: 60_000,
  });
  const expected = [
    'frame 0: 262144 bytes',
    'frame 1: 262144 bytes',
    'frame 2: 262144 bytes',
    'held: 786456 bytes',
    'held: 0 bytes',
    'one two three',
    'into a buffer',
    'streamed: a',
    'streamed: b',
    'streamed: c',
  ];
  assert.deepEqual(run.stdout.trim().split('\n'), expected, run.stderr);
  assertGone(name);
});
