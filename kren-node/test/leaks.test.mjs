// Arrays and tables leave nothing behind, by whichever path they go: memory is flat. `cargo xtask proof leaks` sends a million
// by each.

import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { assertFine, channelName, child } from './support/index.mjs';

const COUNT = Number(process.env.KREN_TEST_ARRAYS ?? 5000);
/** Of what is in use. */
const USED = 1 << 20;
/** Of what is resident, which takes some ten thousand arrays to come to its height: V8 sweeps when it likes. */
const RESIDENT = 64 << 20;

const ARRAYS = {
  copied: 'w.writeArray(small); r.readArray();',
  'large, copied': 'w.writeArray(large); r.readArray();',
  'in place': 'w.writeArray(large, { shape: [64, 128] }); r.borrowArray().release();',
  several: 'w.writeArrays({ small, large }); r.readArrays();',
  'several, in place': 'w.writeArrays({ small, large }); r.borrowArrays().release();',
  'iterated over': 'w.writeArray(small); arrays.next();',
  awaited: 'const waiting = r.readArrayAsync(); await w.writeArrayAsync(small); await waiting;',
  refused: 'w.writeArray(small); try { r.borrowArrays(); } catch { r.read(); }',
};
const TABLES = {
  table: 'w.writeTable(table); r.readTable();',
  'table, in place': 'w.writeTable(table); r.borrowTable().release();',
  'table, awaited': 'w.writeTable(table); await r.readTableAsync();',
  'table, refused': 'w.writeArray(small); try { r.borrowTable(); } catch { r.read(); }',
};

const SETUP = `
  const arrow = require('apache-arrow');
  const w = new kren.Writer(name, 1 << 20, { alignment: 64 }), r = new kren.Reader(name);
  const small = new Float32Array(16), large = new Float32Array(8192);
  const arrays = r.arrays()[Symbol.iterator]();
  const table = arrow.tableFromArrays({ n: Int32Array.from({ length: 99 }, (_, i) => i), s: small });
  // What is unreachable goes in a turn of its own.
  const used = async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc();
      await new Promise(setImmediate);
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, inUse: heapUsed + external };
  };
  const run = async (path, count) => {
    for (let i = 0; i < count; i++) {
      await path();
      // Node keeps a note of each lent ArrayBuffer until the next one.
      if (i % 1000 === 0) await new Promise(setImmediate);
    }
  };
  const measure = async (path, count) => {
    await run(path, count / 10);
    const before = await used();
    await run(path, count);
    const after = await used();
    say([after.inUse - before.inUse, after.rss - before.rss, r.held].join(' '));
  };
  (async () => {`;

test('what was lent and given back goes, also while a loop lends on and on', async (t) => {
  const code = `
    const w = new kren.Writer(name, 1 << 16), r = new kren.Reader(name);
    const message = Buffer.alloc(100);
    for (let i = 0; i < 100_000; i++) {
      w.write(message);
      r.borrow().release();
    }
    globalThis.gc();
    say(String(process.memoryUsage().heapUsed));
    r.close();
    w.close();`;
  const other = child(t, channelName(), code, ['--expose-gc']);
  const used = Number(await other.line());
  assert.ok(used < 12 << 20, `${used}`);
  await assertFine(other);
});

test('arrays and tables leave nothing behind', async (t) => {
  const paths = [
    ...Object.entries(ARRAYS).map((path) => [...path, COUNT]),
    ...Object.entries(TABLES).map((path) => [...path, COUNT / 20]),
  ];
  const measured = paths.map(([, path, count]) => `await measure(async () => { ${path} }, ${count});`);
  const code = [SETUP, ...measured, 'r.close(); w.close(); })();'].join('\n');
  const other = child(t, channelName(), code, ['--expose-gc']);
  for (const [what, , count] of paths) {
    const [inUse, resident, held] = (await other.line()).split(' ').map(Number);
    t.diagnostic(`${what}: ${count} times, ${inUse >> 10} KiB more in use, ${resident >> 10} KiB resident`);
    assert.ok(inUse < USED, `${what}: ${inUse}`);
    assert.ok(resident < RESIDENT, `${what}: ${resident}`);
    assert.equal(held, 0);
  }
  await assertFine(other);
});
