// Lays out what is published on npm: the main package, which holds the JavaScript and names one package for each
// system as optional, and those packages, of which npm installs the one that fits.
//
//     node scripts/stage-packages.mjs FOLDER [TARGET=ADDON[=PROGRAM]]...
//
// The program is the command line `kren`. Each folder is named on a line of its own: `main`, `built` (with its addon) or
// `missing` (without).

import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { addonName, PLATFORMS, programName } from './platforms.mjs';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));

const [out, ...given] = process.argv.slice(2);
if (!out) fail('give the folder to lay the packages out in');
const natives = new Map();
for (const argument of given) {
  const [target, addon, program] = argument.split('=');
  if (!PLATFORMS[target] || !addon) fail(`'${argument}' is not TARGET=ADDON with a target that is published`);
  natives.set(PLATFORMS[target].name, { addon, program });
}

function fail(message) {
  console.error(`stage-packages: ${message}`);
  process.exit(1);
}

function writePackage(folder, content) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
  copyFileSync(join(here, 'LICENSE'), join(folder, 'LICENSE'));
}

rmSync(out, { recursive: true, force: true });
const platforms = new Map(
  Object.entries(PLATFORMS).map(([target, platform]) => [platform.name, { target, ...platform }]),
);

// The main package: what a checkout has less what only a checkout needs.
const main = join(out, 'kren');
mkdirSync(main, { recursive: true });
const { scripts: _scripts, devDependencies: _dev, ...published } = manifest;
published.files = ['dist'];
published.optionalDependencies = Object.fromEntries(
  [...platforms.keys()].sort().map((name) => [`${manifest.name}-${name}`, manifest.version]),
);
writePackage(main, published);
copyFileSync(join(here, 'README.md'), join(main, 'README.md'));
cpSync(join(here, 'dist'), join(main, 'dist'), { recursive: true });
console.log(`main ${main}`);

for (const { name, target, os, cpu, libc } of platforms.values()) {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  const file = addonName(target);
  const command = programName(target);
  const { version, license, author, repository, homepage, bugs, engines } = manifest;
  writePackage(folder, {
    name: `${manifest.name}-${name}`,
    version,
    description: `The native part of ${manifest.name} for ${name}`,
    license,
    author,
    repository,
    homepage,
    bugs,
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    main: file,
    // Node asks for addons; a bundler, which cannot put one into its bundle, does not, and gets what loads it.
    exports: {
      '.': { 'node-addons': `./${file}`, default: './index.js' },
      './package.json': './package.json',
    },
    files: [file, 'index.js', command],
  });
  writeFileSync(
    join(folder, 'index.js'),
    `// For bundlers. In a bundle this fails, and @pawanxz/kren looks for the addon around it.\n` +
      `process.dlopen(module, require('node:path').join(__dirname, '${file}'));\n`,
  );
  writeFileSync(
    join(folder, 'README.md'),
    `# ${manifest.name}-${name}\n\nThe native part of ${manifest.name} for ${name}. Install \`${manifest.name}\`: it ` +
      `brings this along where it fits. See [the project](${homepage}).\n`,
  );
  const native = natives.get(name);
  if (native) copyFileSync(native.addon, join(folder, file));
  if (native?.program) {
    mkdirSync(join(folder, 'bin'));
    copyFileSync(native.program, join(folder, command));
    chmodSync(join(folder, command), 0o755);
  }
  console.log(`${native ? 'built' : 'missing'} ${folder}`);
}
