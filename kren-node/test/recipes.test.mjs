// The blocks of docs/guide/objects.md, as they stand there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageFolder, pair } from './support/index.mjs';

const page = readFileSync(join(packageFolder, '..', 'docs', 'guide', 'objects.md'), 'utf8');

const VALUES = {
  JSON: { id: 7, names: ['a', 'ü'], ratio: 0.5, none: null },
  MessagePack: { id: 7, names: ['a', 'ü'], ratio: 0.5, raw: Buffer.from([0, 255]) },
  Protobuf: { seconds: 1_800_000_000, nanos: 5 },
};

const recipes = page
  .split('\n## ')
  .map((section) => [/^\w+/.exec(section)?.[0], /```js\n(.*?)```/s.exec(section)?.[1]])
  .filter(([, code]) => code !== undefined);

test('every recipe is there', () => {
  assert.deepEqual(
    recipes.map(([name]) => name),
    Object.keys(VALUES),
  );
});

for (const [name, code] of recipes) {
  test(`the recipe for ${name} works as it stands`, (t) => {
    const require = createRequire(import.meta.url);
    const { send, receive } = new Function('require', `${code}; return { send, receive };`)(require);
    const [writer, reader] = pair(t, 65536);
    for (let i = 0; i < 3; i++) send(writer, VALUES[name]);
    const received = [1, 2, 3].map(() => receive(reader));
    // Whatever it holds is its own: the ring is written over.
    writer.write(Buffer.alloc(60_000, 7));
    for (const value of received) assert.deepEqual(value, VALUES[name]);
    assert.equal(reader.held, 0);
    reader.read();
  });
}
