// A user's project, with the package installed in it as npm, pnpm or a link to a checkout does.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addonName, PLATFORMS } from '../../scripts/platforms.mjs';

export const packageFolder = fileURLToPath(new URL('../..', import.meta.url));
export const toolsFolder = fileURLToPath(new URL('.', import.meta.url));

const built = readdirSync(packageFolder).filter((file) => file.endsWith('.node'));
const [target, platform] = Object.entries(PLATFORMS).find(([name]) => built.includes(addonName(name)));

/** The file name of the addon for this machine, and the package that brings it. */
export const addon = addonName(target);
export const addonPackage = `@pawanxz/kren-${platform.name}`;

const root = realpathSync(mkdtempSync(join(tmpdir(), 'kren-tools-')));
after(() => rmSync(root, { recursive: true }));

// What would be published, for this machine.
const staged = join(root, 'staged');
const stage = run(process.execPath, [
  join(packageFolder, 'scripts/stage-packages.mjs'),
  staged,
  `${target}=${join(packageFolder, addon)}`,
]);
assert.equal(stage.status, 0, stage.output);

const layouts = {
  npm(modules) {
    cpSync(join(staged, 'kren'), join(modules, '@pawanxz/kren'), { recursive: true });
    cpSync(join(staged, platform.name), join(modules, addonPackage), { recursive: true });
  },
  // Only the package itself can be seen from the project; what it depends on lies beside where it really is.
  pnpm(modules) {
    const store = join(modules, '.pnpm/@pawanxz+kren@0.0.0/node_modules');
    cpSync(join(staged, 'kren'), join(store, '@pawanxz/kren'), { recursive: true });
    cpSync(join(staged, platform.name), join(modules, `.pnpm/${addonPackage}`), { recursive: true });
    symlinkSync(join(modules, `.pnpm/${addonPackage}`), join(store, addonPackage));
    mkdirSync(join(modules, '@pawanxz'));
    symlinkSync(join(store, '@pawanxz/kren'), join(modules, '@pawanxz/kren'));
  },
  link(modules) {
    mkdirSync(join(modules, '@pawanxz'));
    symlinkSync(packageFolder, join(modules, '@pawanxz/kren'));
  },
};
export const LAYOUTS = Object.keys(layouts);

let projects = 0;

/** A project with `files` (name: text) in it. */
export function project(files, layout = 'npm') {
  projects += 1;
  const folder = join(root, `project-${projects}`);
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  layouts[layout](join(folder, 'node_modules'));
  for (const [name, text] of Object.entries({ 'package.json': '{ "private": true }', ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** A copy of `folder` where nothing is installed: what is deployed. */
export function deployed(folder) {
  projects += 1;
  const copy = join(root, `deployed-${projects}`);
  cpSync(folder, copy, { recursive: true });
  return copy;
}

/** A folder with these files of the machine, and links, under their whole paths. */
export function fileCopy(files) {
  projects += 1;
  const copy = join(root, `files-${projects}`);
  for (const file of files) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    const from = join('/', file);
    // Copies of links would lead back out.
    if (lstatSync(from).isSymbolicLink())
      symlinkSync(relative(dirname(from), realpathSync(from)), join(copy, file));
    else copyFileSync(from, join(copy, file));
  }
  return copy;
}

/** Runs a program to its end. */
export function run(program, args, { cwd = undefined, env = {} } = {}) {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const options = { cwd, env: { ...inherited, NO_COLOR: '1', ...env }, encoding: 'utf8', timeout: 120_000 };
  const { status, signal, stdout, stderr } = spawnSync(program, args, options);
  return { status: status ?? signal, stdout, output: stdout + stderr };
}

/** Asserts that Node runs `file` and prints that it moved a message. */
export function assertRuns(file, what, args = []) {
  const { status, stdout, output } = run(process.execPath, [...args, file], { cwd: dirname(file) });
  assert.equal(status, 0, `${what}: ${output}`);
  assert.equal(stdout, 'moved\n', what);
}

/** A tool of these. */
export const tool = (path) => join(toolsFolder, 'node_modules', path);

const MOVE = `
const name = 'node-tools-' + process.pid;
const writer = new Writer(name, 65536);
const reader = new kren.Reader(name);
writer.write('moved');
let code;
try {
  new Writer(name, 65536);
} catch (error) {
  if (error instanceof KrenError && error instanceof kren.KrenError) code = error.code;
}
const text = reader.read({ timeout: 10000 }).toString();
writer.close();
reader.close();
if (code !== 'KREN_WRITER_EXISTS') throw new Error('not the same classes');
console.log(text);
`;

/** Programs that move one message and use the package by its default and by its names. */
export const PROGRAMS = {
  import: `import kren, { KrenError, Writer } from '@pawanxz/kren';${MOVE}`,
  namespace: `import * as kren from '@pawanxz/kren';\nconst { KrenError, Writer } = kren;${MOVE}`,
  require: `const kren = require('@pawanxz/kren');\nconst { KrenError, Writer } = kren.default;${MOVE}`,
};
