// Keeps KREN's own source out of what Node prints for an uncaught exception: it begins with the line that threw, which
// tells the user nothing here, unless that line asks to be left out. Run by `npm run build:ts`.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');

/** Node looks for these words. */
const LEFT_OUT = ' // node-do-not-add-exception-line';

/** A line that throws, or calls the native layer, which may. */
const THROWS = /^(?!\s*(?:\/\/|\*|\/\*)).*(?:\bthrow\b|native(?:_1\.native)?\.\w+\()/;

for (const name of readdirSync(folder).filter((file) => file.endsWith('.js'))) {
  const file = join(folder, name);
  const lines = readFileSync(file, 'utf8').split('\n');
  writeFileSync(file, lines.map((line) => (THROWS.test(line) ? line + LEFT_OUT : line)).join('\n'));
}
