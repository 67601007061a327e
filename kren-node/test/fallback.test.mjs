// Where a runtime allows no external ArrayBuffers (Electron, builds with pointer compression), the native layer
// works the ring. The tests of all that a channel promises run that way here.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { test } from 'node:test';
import { kren, packageFolder } from './support/index.mjs';

const ESSENTIALS = [
  'successors',
  'messages',
  'many',
  'lending',
  'ring',
  'blocking',
  'async',
  'errors',
  'crash',
  'streams',
  'arrays',
  'leaks',
  'tables',
  'inbox',
];

test('everything works without external ArrayBuffers too', {
  skip: process.env.KREN_NODE_RING === 'native',
}, () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const files = ESSENTIALS.map((name) => `test/${name}.test.mjs`);
  const run = spawnSync(process.execPath, ['--test', ...files], {
    cwd: packageFolder,
    env: { ...env, KREN_NODE_RING: 'native' },
    encoding: 'utf8',
    timeout: 300_000,
  });
  assert.equal(run.status, 0, run.stdout + run.stderr);
});

test('by default the ring is worked from JavaScript', {
  skip: process.env.KREN_NODE_RING === 'native',
}, async () => {
  const { createRequire } = await import('node:module');
  const { openWritingSide } = createRequire(import.meta.url)('../dist/open.js');
  const { RingWriter } = createRequire(import.meta.url)('../dist/ring-writer.js');
  const { native } = createRequire(import.meta.url)('../dist/native.js');
  const writer = native.openWriter(`node-test-default-${process.pid}`, 4096);
  const side = openWritingSide(writer);
  assert.ok(side instanceof RingWriter);
  side.close();
  writer.close();
  assert.ok(kren);
});
