// One package for each system: the loader looks for the one that is published for it.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import { test } from 'node:test';
import { addonName, PLATFORMS } from '../scripts/platforms.mjs';
import { assertFine, child, packageFolder } from './support/index.mjs';

const manifest = createRequire(import.meta.url)('../package.json');

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

test('on each system the loader asks for its own addon and package', async (t) => {
  for (const { name, os, cpu, libc } of Object.values(PLATFORMS)) {
    // A process that takes itself for one of that system, and finds nothing of what it looks for.
    const header = libc === 'glibc' ? '{ glibcVersionRuntime: "2.28" }' : '{}';
    const code = `
      Object.defineProperty(process, 'platform', { value: '${os}' });
      Object.defineProperty(process, 'arch', { value: '${cpu}' });
      process.report.getReport = () => ({ header: ${header} });
      const Module = require('node:module');
      const load = Module._load;
      const asked = [];
      Module._load = (request, ...rest) => {
        if (!request.startsWith('../kren.') && !request.startsWith('@pawanxz/kren-')) return load(request, ...rest);
        asked.push(request);
        throw new Error('not here');
      };
      const loader = ${JSON.stringify(packageFolder)} + 'dist/native.js';
      delete require.cache[loader];
      try {
        require(loader);
      } catch (error) {
        say(asked.join(' '));
        say(String(error.message.includes(${JSON.stringify(name)})));
      }`;
    const script = child(t, 'unused', code);
    assert.equal(await script.line(), `../kren.${name}.node ${manifest.name}-${name}`);
    assert.equal(await script.line(), 'true', 'the error says for which system');
    await assertFine(script);
  }
});
