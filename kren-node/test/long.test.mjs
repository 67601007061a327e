// Long messages need new memory each, which should not be faulted in anew each time.

import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { assertFine, channelName, child } from './support/index.mjs';

const isGlibc = () => process.report.getReport().header.glibcVersionRuntime !== undefined;

/** Page faults for each read of a mebibyte, which has 256 pages. */
async function faults(t, env) {
  const other = child(
    t,
    channelName(),
    `const w = new kren.Writer(name, 8 << 20), r = new kren.Reader(name), message = Buffer.alloc(1 << 20, 1);
     const reads = (n) => { for (let i = 0; i < n; i++) { w.write(message); r.read(); } };
     reads(100);
     const before = process.resourceUsage().minorPageFault;
     reads(500);
     say(String((process.resourceUsage().minorPageFault - before) / 500));
     r.close(); w.close();`,
    [],
    env,
  );
  const count = Number(await other.line());
  await assertFine(other);
  return count;
}

test('the memory of long messages is used again, unless the user has said how', {
  skip: process.platform !== 'linux' || !isGlibc(),
}, async (t) => {
  const usual = await faults(t, {});
  assert.ok(usual < 100, `${usual} page faults for each message`);
  for (const env of [
    { MALLOC_MMAP_THRESHOLD_: '131072' },
    { MALLOC_TRIM_THRESHOLD_: '131072' },
    { GLIBC_TUNABLES: 'glibc.malloc.mmap_threshold=131072' },
  ]) {
    const asked = await faults(t, env);
    assert.ok(asked > 150, `${asked} page faults for each message with ${JSON.stringify(env)}`);
  }
  const other = await faults(t, { MALLOC_ARENA_MAX: '2', GLIBC_TUNABLES: 'glibc.malloc.arena_max=2' });
  assert.ok(other < 100, `${other} page faults for each message`);
});
