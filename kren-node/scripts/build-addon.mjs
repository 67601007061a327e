// Builds the native layer with cargo and puts it where the loader (ts/native.ts) looks for it.
//
//     node scripts/build-addon.mjs [cargo arguments, e.g. --target aarch64-unknown-linux-gnu]

import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { addonName } from './platforms.mjs';

const here = dirname(dirname(fileURLToPath(import.meta.url)));

function run(program, args, stdout) {
  const done = spawnSync(program, args, {
    cwd: here,
    stdio: ['ignore', stdout, 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.error?.code === 'ENOENT') fail(`${program} was not found: install Rust from https://rustup.rs`);
  if (done.status !== 0) fail(`${program} ${args[0]} failed`);
  return done.stdout;
}

function fail(message) {
  console.error(`build-addon: ${message}`);
  process.exit(1);
}

const extra = process.argv.slice(2);
const asked = extra.indexOf('--target');
const host = /^host: (.+)$/m.exec(run('rustc', ['-vV'], 'pipe'));
const target = asked >= 0 ? extra[asked + 1] : host[1];

const output = run(
  'cargo',
  ['build', '--release', '--package', 'kren-node', '--message-format', 'json-render-diagnostics', ...extra],
  'pipe',
);
const built = output
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line))
  .find((message) => message.reason === 'compiler-artifact' && message.target.name === 'kren_node');
const library = built?.filenames.find((file) => /\.(so|dylib|dll)$/.test(file));
if (!library) fail('cargo built no library');

// By rename: a process that has the old addon loaded keeps it, and none ever sees half of the new one.
const addon = join(here, addonName(target));
copyFileSync(library, `${addon}.new`);
renameSync(`${addon}.new`, addon);
console.log(`built ${addonName(target)}`);
