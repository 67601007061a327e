#!/usr/bin/env node
// `npx @pawanxz/kren`: the command line `kren`, a program of its own that the package for this platform brings.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { platforms } from './platform';

const PROGRAM = join('bin', process.platform === 'win32' ? 'kren.exe' : 'kren');

/** Where the program may lie: where a checkout has what was built for it, and in the packages that fit. */
function places(fitting: string[]): string[] {
  const found = [join(__dirname, '..', PROGRAM)];
  for (const platform of fitting) {
    try {
      found.push(join(dirname(require.resolve(`@pawanxz/kren-${platform}/package.json`)), PROGRAM));
    } catch {
      // It is not installed.
    }
  }
  return found;
}

/** Runs the program in this process's place, as far as this Node can. */
function become(program: string, args: string[]): void {
  // From Node 22.15 on, and nowhere on Windows: then signals and the exit code are the program's own.
  const { execve } = process as { execve?: (file: string, argv: string[], env: NodeJS.ProcessEnv) => never };
  if (execve !== undefined && process.platform !== 'win32') execve(program, [program, ...args], process.env);

  const child = spawn(program, args, { stdio: 'inherit' });
  // What a terminal sends goes to both, and a second one would end the program at once instead of letting it finish.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`cannot start ${program}: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1;
    if (signal === null) return;
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function fail(message: string): void {
  console.error(`kren: ${message}`);
  process.exitCode = 1;
}

const fitting = platforms();
const program = places(fitting).find((place) => existsSync(place));
if (program === undefined) {
  fail(
    `the program for ${fitting.join(' or ')} is not here: install @pawanxz/kren again, without --omit=optional; in a ` +
      'checkout run "cargo xtask demo", or "cargo install --path kren-cli", which puts it on your PATH',
  );
} else {
  become(program, process.argv.slice(2));
}
