// `npx @pawanxz/kren` is the program `kren` itself: its output, exit codes and signals.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { addonName, PLATFORMS } from '../scripts/platforms.mjs';
import { channelName, closing, kren, packageFolder } from './support/index.mjs';

const LAUNCHER = join(packageFolder, 'dist/bin.js');
const [target, platform] = Object.entries(PLATFORMS).find(([target]) =>
  existsSync(join(packageFolder, addonName(target))),
);
const built = existsSync(join(packageFolder, 'bin')) || 'the program was not built: `cargo xtask demo` does';
const needsProgram = { skip: built === true ? false : built };
const needsShell = { skip: process.platform === 'win32' && 'there are no shell scripts' };

function run(launcher, ...args) {
  return spawnSync(process.execPath, [launcher, ...args], { encoding: 'utf8', timeout: 60_000 });
}

/** The launcher as it is published, with the package for this platform and `script` as the program in it. */
function installed(t, script) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kren-node-')));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, 'program');
  writeFileSync(program, `#!/bin/sh\n${script}`);
  chmodSync(program, 0o755);
  const staged = join(folder, 'staged');
  const addon = join(packageFolder, addonName(target));
  const stage = run(
    join(packageFolder, 'scripts/stage-packages.mjs'),
    staged,
    `${target}=${addon}=${program}`,
  );
  assert.equal(stage.status, 0, stage.stderr);
  const modules = join(folder, 'node_modules/@pawanxz');
  cpSync(join(staged, 'kren'), join(modules, 'kren'), { recursive: true });
  cpSync(join(staged, platform.name), join(modules, `kren-${platform.name}`), { recursive: true });
  return { launcher: join(modules, 'kren/dist/bin.js'), native: join(modules, `kren-${platform.name}`) };
}

test('it lists a channel of this process', needsProgram, (t) => {
  const name = channelName();
  closing(t, new kren.Writer(name, 4096));
  const { status, stdout, stderr } = run(LAUNCHER, 'ls', '--json');
  assert.deepEqual([status, stderr], [0, '']);
  const seen = JSON.parse(stdout).channels.find((channel) => channel.name === name);
  assert.equal(seen.writer.pid, process.pid);
});

test('exit codes are those of the program', needsProgram, () => {
  const { status, stderr } = run(LAUNCHER, 'stat', 'node-no-such-channel');
  assert.equal(status, 3);
  assert.match(stderr, /node-no-such-channel/);
  assert.equal(run(LAUNCHER, 'no-such-command').status, 2);
});

test('a polite kill lets it close its channel', needsProgram, async (t) => {
  const name = channelName();
  const writer = closing(t, new kren.Writer(name, 4096));
  const program = spawn(process.execPath, [LAUNCHER, 'recv', name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => program.kill('SIGKILL'));
  writer.write(Buffer.from('one'));
  // What it has printed it has taken, so it listens to signals by now.
  await once(program.stdout, 'data');
  program.kill('SIGTERM');
  assert.deepEqual(await once(program, 'exit'), [143, null]);
  assert.equal(writer.readerState, 'closed');
});

test('the program of the package for this platform gets the words as they are', needsShell, (t) => {
  const { launcher } = installed(t, 'printf "<%s>" "$@"; exit 7');
  const { status, stdout } = run(launcher, 'two words', '*');
  assert.deepEqual([status, stdout], [7, '<two words><*>']);
});

test('a signal that ended the program ends the launcher', needsShell, (t) => {
  const { launcher } = installed(t, 'kill -9 $$');
  assert.equal(run(launcher).signal, 'SIGKILL');
});

test('without the program one line says what to do', needsShell, (t) => {
  const { launcher, native } = installed(t, '');
  rmSync(native, { recursive: true });
  const { status, stderr } = run(launcher, 'ls');
  assert.equal(status, 1);
  assert.match(
    stderr,
    new RegExp(`^kren: the program for ${platform.name} is not here: .*--omit=optional.*\\n$`),
  );
});
