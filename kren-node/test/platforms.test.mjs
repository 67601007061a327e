// One package for each system: the loader looks for the one that is published for it.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { addonName, PLATFORMS } from '../scripts/platforms.mjs';
import { assertFine, child, packageFolder } from './support/index.mjs';

const require = createRequire(import.meta.url);
const manifest = require('../package.json');

test('the addon that was built here has the name that is published', () => {
  const built = readdirSync(packageFolder).filter((file) => file.endsWith('.node'));
  const fitting = Object.entries(PLATFORMS)
    .filter(([, { os, cpu }]) => os === process.platform && cpu === process.arch)
    .map(([target]) => addonName(target));
  assert.ok(
    fitting.some((name) => built.includes(name)),
    `${built} has none of ${fitting}`,
  );
});

/** The head of a program that names `linker` as its interpreter, as readelf -l would show it. */
function program(linker, { isLong, isLittle }) {
  const head = Buffer.alloc(256);
  head.write('\x7fELF', 'latin1');
  head[4] = isLong ? 2 : 1;
  head[5] = isLittle ? 1 : 2;
  const put = (value, at, bytes) => {
    if (isLittle) head.writeUIntLE(value, at, bytes);
    else head.writeUIntBE(value, isLong && bytes === 8 ? at + 2 : at, bytes === 8 ? 6 : bytes);
  };
  const word = (value, at) => put(value, at, isLong && isLittle ? 6 : isLong ? 8 : 4);
  const [table, entry] = isLong ? [64, 56] : [52, 32];
  word(table, isLong ? 32 : 28);
  put(entry, isLong ? 54 : 42, 2);
  put(2, isLong ? 56 : 44, 2);
  // First a header of another kind, then the one that counts.
  put(6, table, 4);
  put(3, table + entry, 4);
  word(200, table + entry + (isLong ? 8 : 4));
  word(linker.length + 1, table + entry + (isLong ? 32 : 16));
  return Buffer.concat([head.subarray(0, 200), Buffer.from(`${linker}\0`), Buffer.alloc(64)]);
}

const GLIBC = '/lib64/ld-linux-x86-64.so.2';
const MUSL = '/lib/ld-musl-x86_64.so.1';

/** What the loader asks for, in a process that runs `before` first and finds nothing of it; and its error. */
async function asked(t, before) {
  const code = `${before}
    const Module = require('node:module');
    const load = Module._load;
    const asked = [];
    const refuse = (request) => {
      asked.push(request);
      throw new Error('not here');
    };
    Module._load = (request, ...rest) =>
      /kren[.-](linux|win32|darwin)-/.test(request) ? refuse(request) : load(request, ...rest);
    process.dlopen = (_module, file) => refuse('../' + require('node:path').basename(file));
    const folder = ${JSON.stringify(packageFolder)} + 'dist/';
    for (const file of ['native', 'addon', 'platform']) delete require.cache[folder + file + '.js'];
    try {
      require(folder + 'native.js');
    } catch (error) {
      say(JSON.stringify({ asked, message: error.message }));
    }`;
  const script = child(t, 'unused', code);
  const answer = JSON.parse(await script.line());
  await assertFine(script);
  return answer;
}

/** JavaScript that makes a process take itself for one of that system, run by a program that names `linker`. */
function disguise(t, { os, cpu, linker, isLong = true, isLittle = true }) {
  const folder = mkdtempSync(join(tmpdir(), 'kren-node-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'node');
  writeFileSync(file, linker === undefined ? '#!/bin/sh\n' : program(linker, { isLong, isLittle }));
  return `
    Object.defineProperty(process, 'platform', { value: '${os}' });
    Object.defineProperty(process, 'arch', { value: '${cpu}' });
    process.execPath = ${JSON.stringify(file)};`;
}

test('on each system the loader asks for its own addon and package first', async (t) => {
  for (const { name, os, cpu, libc } of Object.values(PLATFORMS)) {
    const before = disguise(t, { os, cpu, linker: libc === 'musl' ? MUSL : GLIBC });
    const { asked: places, message } = await asked(t, before);
    assert.deepEqual(places.slice(0, 2), [`../kren.${name}.node`, `${manifest.name}-${name}`]);
    assert.ok(
      places.every((place) => place.includes(name)),
      `${places}`,
    );
    assert.match(message, new RegExp(`no native addon for ${name}\\.`));
    assert.match(message, /npm run build.*--omit=optional.*bundlers\.md/s);
  }
});

test('the C library is told by the program that runs, of any kind, not by a report', async (t) => {
  // A report looks up the names of all open connections, and stands still while the name server does.
  const reports = 'process.report.getReport = () => { throw new Error("a report"); };';
  for (const [linker, expected] of [
    [MUSL, 'musl'],
    [GLIBC, 'gnu'],
    ['/gnu/store/abc-glibc-2.39/lib/ld-linux-x86-64.so.2', 'gnu'],
  ]) {
    for (const isLong of [true, false]) {
      for (const isLittle of [true, false]) {
        const before = disguise(t, { os: 'linux', cpu: 'x64', linker, isLong, isLittle });
        for (const report of [reports, "Object.defineProperty(process, 'report', { value: undefined });"]) {
          const { asked: places } = await asked(t, before + report);
          assert.equal(places[0], `../kren.linux-x64-${expected}.node`, `${linker} ${isLong} ${isLittle}`);
        }
      }
    }
  }
});

test('where nothing tells the C library, both are tried', async (t) => {
  const hidden = `
    const fs = require('node:fs');
    const open = fs.openSync;
    fs.openSync = (file, ...rest) => {
      if (file === '/proc/self/exe' || file === process.execPath) throw new Error('not allowed');
      return open(file, ...rest);
    };`;
  const { asked: places } = await asked(t, disguise(t, { os: 'linux', cpu: 'x64' }) + hidden);
  const ofPackages = places.filter((place) => place.startsWith('@') && !place.endsWith('.node'));
  assert.deepEqual(
    [...new Set(ofPackages)],
    [`${manifest.name}-linux-x64-gnu`, `${manifest.name}-linux-x64-musl`],
  );
});

test('an addon of another version is not used, and the error says which versions', async (t) => {
  const code = `
    const Module = require('node:module');
    const load = Module._load;
    const { addon } = require(${JSON.stringify(`${packageFolder}dist/native.js`)});
    const old = { ...addon, version: () => '0.0.9' };
    Module._load = (request, ...rest) =>
      /kren[.-](linux|win32|darwin)-/.test(request) ? old : load(request, ...rest);
    process.dlopen = (module) => { module.exports = old; };
    const folder = ${JSON.stringify(packageFolder)} + 'dist/';
    for (const file of ['native', 'addon']) delete require.cache[folder + file + '.js'];
    try { require(folder + 'native.js'); say('loaded'); } catch (error) { say(JSON.stringify(error.message)); }`;
  const script = child(t, 'unused', code);
  assert.match(
    await script.line(),
    new RegExp(`version 0\\.0\\.9.*${manifest.version.replaceAll('.', '\\.')}`),
  );
  await assertFine(script);
});

test('the version that the loader compares with is that of the package', () => {
  const { VERSION } = require('../dist/version.js');
  assert.equal(VERSION, manifest.version);
});
