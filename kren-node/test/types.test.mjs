// The types, as a user's compiler sees them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { test } from 'node:test';
import { packageFolder } from './support/index.mjs';

test('programs that use the package compile, and wrong ones do not', () => {
  const compiler = `${packageFolder}node_modules/typescript/bin/tsc`;
  const done = spawnSync(process.execPath, [compiler, '--project', 'test/types'], {
    cwd: packageFolder,
    encoding: 'utf8',
  });
  assert.equal(done.status, 0, done.stdout + done.stderr);
});
