// What bundlers make of a program that uses the package runs: by their defaults where the packages are installed, and
// elsewhere with what docs/guide/bundlers.md has for each.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import {
  addon,
  addonPackage,
  assertRuns,
  deployed,
  fileCopy,
  LAYOUTS,
  packageFolder,
  PROGRAMS,
  project,
  run,
} from './support.mjs';

const require = createRequire(import.meta.url);

const FORMATS = { cjs: 'bundle.cjs', esm: 'bundle.mjs' };

/** `import` and `require` as well, in one program. */
const both = `${PROGRAMS.import}
import { createRequire } from 'node:module';
const required = createRequire(import.meta.url)('@pawanxz/kren');
if (required.KrenError !== KrenError) throw new Error('two packages in one program');
`;

const entries = { 'main.mjs': PROGRAMS.import, 'main.cjs': PROGRAMS.require };

const bundlers = {
  async esbuild(folder, entry, format, external) {
    const { build } = require('esbuild');
    const outfile = join(folder, 'dist', FORMATS[format]);
    // CommonJS code in an ES module has no `require` unless one is made.
    const banner =
      "import { createRequire as make } from 'node:module'; const require = make(import.meta.url);";
    await build({
      absWorkingDir: folder,
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format,
      outfile,
      logLevel: 'silent',
      banner: format === 'esm' ? { js: banner } : {},
      external: external ? ['@pawanxz/kren'] : [],
    });
    return outfile;
  },
  async webpack(folder, entry, format, external) {
    const webpack = require('webpack');
    const path = join(folder, 'dist');
    const isEsm = format === 'esm';
    const compiler = webpack({
      mode: 'production',
      target: 'node',
      context: folder,
      entry: `./${entry}`,
      output: {
        path,
        filename: FORMATS[format],
        ...(isEsm && { module: true, library: { type: 'module' } }),
      },
      experiments: { outputModule: isEsm },
      externals: external ? { '@pawanxz/kren': `${isEsm ? 'module' : 'commonjs'} @pawanxz/kren` } : {},
    });
    const stats = await new Promise((resolve, reject) => {
      compiler.run((error, done) => (error ? reject(error) : resolve(done)));
    });
    await new Promise((resolve) => compiler.close(resolve));
    assert.ok(!stats.hasErrors(), stats.toString());
    return join(path, FORMATS[format]);
  },
  async rollup(folder, entry, format, external) {
    const { rollup } = await import('rollup');
    const { default: commonjs } = await import('@rollup/plugin-commonjs');
    const { default: resolve } = await import('@rollup/plugin-node-resolve');
    const file = join(folder, 'dist', FORMATS[format]);
    const bundle = await rollup({
      input: join(folder, entry),
      plugins: [resolve(), commonjs()],
      external: external ? ['@pawanxz/kren'] : [],
      onwarn() {},
    });
    await bundle.write({ file, format });
    await bundle.close();
    return file;
  },
  async vite(folder, entry, format, external) {
    const { build } = await import('vite');
    await build({
      root: folder,
      configFile: false,
      logLevel: 'silent',
      build: {
        ssr: entry,
        outDir: 'dist',
        rollupOptions: { output: { format, entryFileNames: FORMATS[format] } },
      },
      ssr: external ? {} : { noExternal: true },
    });
    return join(folder, 'dist', FORMATS[format]);
  },
};

for (const [name, bundle] of Object.entries(bundlers)) {
  test(`${name}: a bundle runs where the package is installed`, async () => {
    const entry = 'main.mjs';
    for (const format of Object.keys(FORMATS)) {
      for (const layout of LAYOUTS) {
        assertRuns(await bundle(project(entries, layout), entry, format, false), `${layout} ${format}`);
      }
      assertRuns(await bundle(project(entries), entry, format, true), `external, ${format}`);
    }
  });

  test(`${name}: a bundle that is deployed without packages runs with the addon beside it`, async () => {
    for (const [entry, format] of [
      ['main.mjs', 'esm'],
      ['main.mjs', 'cjs'],
      ['main.cjs', 'cjs'],
    ]) {
      const folder = deployed(dirname(await bundle(project(entries), entry, format, false)));
      const file = join(folder, FORMATS[format]);
      const { status, output } = run(process.execPath, [file], { cwd: folder });
      assert.equal(status, 1);
      assert.match(output, /no native addon for .*docs\/guide\/bundlers\.md/s, `${entry} ${format}`);
      copyFileSync(join(packageFolder, addon), join(folder, addon));
      assertRuns(file, `${entry} ${format}`);
      // Or where a tracer leaves it, which takes the file alone.
      const traced = join(folder, 'node_modules', addonPackage);
      mkdirSync(traced, { recursive: true });
      renameSync(join(folder, addon), join(traced, addon));
      assertRuns(file, `${entry} ${format}, traced`);
    }
  });
}

test('a tracer of dependencies, as of Next.js and Vercel, lists what it takes', async () => {
  const { nodeFileTrace } = require('@vercel/nft');
  for (const layout of LAYOUTS) {
    for (const entry of Object.keys(entries)) {
      const folder = project(entries, layout);
      // From the root: what is linked lies outside of the project.
      const { fileList } = await nodeFileTrace([join(folder, entry)], { base: '/', processCwd: folder });
      const copy = fileCopy([...fileList]);
      assertRuns(join(copy, folder, entry), `${layout} ${entry}`);
    }
  }
});

test('`import` and `require` in one program give the same classes', () => {
  assertRuns(join(project({ 'main.mjs': both }), 'main.mjs'), 'both');
});
