// The example that no language pair runs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { assertGone, channelName, packageFolder } from './support/index.mjs';

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
