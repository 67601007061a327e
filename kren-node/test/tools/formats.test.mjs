// `import kren from '@pawanxz/kren'` works whatever it is compiled to, and the types say so.

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { assertRuns, PROGRAMS, packageFolder, project, run, tool } from './support.mjs';

const require = createRequire(import.meta.url);

/** A compiler, the `@types/node` of its time, and whether it has `using`. */
const COMPILERS = [
  { name: 'typescript-5.0', types: 'types-node-18', hasUsing: false },
  { name: 'typescript-5.2', types: 'types-node-18', hasUsing: true },
  { name: 'typescript-5.5', types: 'types-node-18', hasUsing: true },
  { name: 'typescript', types: '@types/node', hasUsing: true },
  { name: join(packageFolder, 'node_modules/typescript'), types: '@types/node', hasUsing: true },
];

/** Runs a TypeScript compiler on main.ts (and what else there is) in `folder`. */
function compile({ name, types }, folder, options) {
  const modules = join(folder, 'node_modules/@types');
  mkdirSync(modules, { recursive: true });
  try {
    symlinkSync(tool(types), join(modules, 'node'));
  } catch {
    // There already.
  }
  const compilerOptions = { strict: true, types: ['node'], outDir: 'out', target: 'es2022', ...options };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['*.ts', '*.mts', '*.cts'] }),
  );
  const compiler = createRequire(join(folder, 'x')).resolve(
    name.startsWith('/') ? `${name}/bin/tsc` : `${tool(name)}/bin/tsc`,
  );
  const { status, output } = run(process.execPath, [compiler, '--project', folder], { cwd: folder });
  assert.equal(status, 0, `${name} ${JSON.stringify(options)}: ${output}`);
}

const DECLARED = `
export const sizes = (): number[] => [writer.capacity, reader.available];
export type Both = [kren.Writer, kren.Reader, kren.Borrowed, kren.PeerState];
export async function all(): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  for await (const message of reader) messages.push(message);
  for (const message of reader) messages.push(message);
  return messages;
}
`;
const USING = `
export function one(): number {
  using own = new kren.Reader('name');
  using borrowed = own.borrow();
  return borrowed.data.length;
}
`;

for (const compiler of COMPILERS) {
  test(`${compiler.name.split('/').at(-1)}: compiled to CommonJS and to ES modules, without skipLibCheck`, () => {
    const lib = compiler.hasUsing ? ['es2022', 'esnext.disposable'] : ['es2022'];
    const program = (text) => text.replace('let code;', 'let code: string | undefined;');
    const source = program(PROGRAMS.import) + DECLARED + (compiler.hasUsing ? USING : '');
    const isOld = compiler.name.includes('5.');
    // Newer compilers have only these left.
    const modules = [
      { module: 'nodenext', moduleResolution: 'nodenext', lib },
      ...(isOld
        ? [
            { module: 'commonjs', moduleResolution: 'node10', lib, esModuleInterop: true },
            { module: 'commonjs', moduleResolution: 'node10', lib, esModuleInterop: false },
            { module: 'commonjs', moduleResolution: 'node10', lib, target: 'es2017', esModuleInterop: true },
          ]
        : []),
    ];
    for (const options of modules) {
      const folder = project({ 'main.ts': source, 'namespace.ts': program(PROGRAMS.namespace) });
      compile(compiler, folder, options);
      for (const name of ['main', 'namespace'])
        assertRuns(join(folder, 'out', `${name}.js`), JSON.stringify(options));
    }
    const folder = project({ 'main.ts': source, 'package.json': '{ "type": "module" }' });
    compile(compiler, folder, { module: 'nodenext', moduleResolution: 'nodenext', lib });
    assertRuns(join(folder, 'out/main.js'), 'ES module');
  });
}

test('swc and Babel: compiled to CommonJS', async () => {
  const swc = require('@swc/core');
  const babel = require('@babel/core');
  for (const program of ['import', 'namespace']) {
    const source = PROGRAMS[program];
    const { code: bySwc } = await swc.transform(source, { module: { type: 'commonjs' } });
    const { code: byBabel } = await babel.transformAsync(source, {
      configFile: false,
      plugins: [require.resolve('@babel/plugin-transform-modules-commonjs')],
    });
    const folder = project({ 'swc.js': bySwc, 'babel.js': byBabel });
    assertRuns(join(folder, 'swc.js'), `swc ${program}`);
    assertRuns(join(folder, 'babel.js'), `babel ${program}`);
  }
});

test('Jest: with ts-jest, esModuleInterop on and off, and in plain CommonJS', () => {
  const body = (imports) => `${imports}
test('a message', () => {${PROGRAMS.import
    .replace(/^import.*\n/, '')
    .replace('let code;', 'let code: any;')
    .replace('console.log(text);', "expect(text).toBe('moved');")}
});
`;
  const imports = "import kren, { KrenError, Writer } from '@pawanxz/kren';";
  const transform = (name, esModuleInterop) => ({
    displayName: name,
    testMatch: ['<rootDir>/main.test.ts'],
    transform: {
      '.ts$': [tool('ts-jest'), { diagnostics: false, tsconfig: { module: 'commonjs', esModuleInterop } }],
    },
  });
  const config = {
    projects: [
      transform('with', true),
      transform('without', false),
      { displayName: 'plain', testMatch: ['<rootDir>/plain.test.js'], transform: {} },
    ],
  };
  const folder = project({
    'main.test.ts': body(imports),
    'plain.test.js': body(
      "const kren = require('@pawanxz/kren'); const { KrenError, Writer } = kren.default;",
    ).replace('let code: any;', 'let code;'),
    'jest.config.json': JSON.stringify(config),
  });
  symlinkSync(tool('typescript'), join(folder, 'node_modules/typescript'));
  const { status, output } = run(
    process.execPath,
    [tool('jest/bin/jest.js'), '--runInBand', '--config', 'jest.config.json'],
    {
      cwd: folder,
    },
  );
  assert.equal(status, 0, output);
  assert.match(output, /3 passed, 3 total/);
});

test('as it is: `import` by default, by name and as a namespace, and `require`', () => {
  const folder = project({
    'import.mjs': PROGRAMS.import,
    'namespace.mjs': PROGRAMS.namespace,
    'require.cjs': PROGRAMS.require,
  });
  for (const name of ['import.mjs', 'namespace.mjs', 'require.cjs']) assertRuns(join(folder, name), name);
});
