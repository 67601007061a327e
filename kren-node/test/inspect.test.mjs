// Looking at channels from outside: what is seen is right, and nobody is disturbed.

import assert from 'node:assert/strict';
import { unlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { channelName, closing, kren, krenError } from './support/index.mjs';

const skip = process.platform !== 'linux' && 'only Linux lists shared memory';

test('a channel is seen with those who hold it', { skip }, (t) => {
  const name = channelName();
  const writer = new kren.Writer(name, 4096);
  closing(t, writer);
  writer.write('one');
  const seen = kren.inspect(name);
  assert.equal(seen.state, 'waiting for a reader');
  assert.equal(seen.kind, 'channel');
  assert.equal(seen.capacity, 4096);
  assert.equal(seen.mode, 0o600);
  assert.equal(seen.writer.pid, process.pid);
  assert.equal(seen.writer.isAsleep, false);
  assert.equal(seen.writer.asleepSince, null);
  assert.deepEqual(seen.readers, []);
  assert.equal(seen.undelivered, 1);
  assert.ok(Math.abs(seen.created - Date.now()) < 600_000);
  const reader = new kren.Reader(name);
  closing(t, reader);
  assert.equal(kren.inspect(name).state, 'idle');
  // A look takes nothing.
  assert.equal(reader.read().toString(), 'one');
  assert.equal(kren.inspect(name).undelivered, 0);
  assert.ok(kren.channels().some((channel) => channel.name === name));
});

test('what is no channel is listed as what it is', { skip }, (t) => {
  const name = channelName();
  const path = `/dev/shm/kren-${name}`;
  writeFileSync(path, 'nonsense');
  t.after(() => unlinkSync(path));
  const seen = kren.inspect(name);
  assert.equal(seen.state, 'damaged');
  assert.match(seen.reason, /short/);
  assert.ok(kren.channels().some((channel) => channel.name === name && channel.kind === undefined));
});

test('what is not there, and what is no name, is an error', () => {
  const name = channelName();
  assert.throws(() => kren.inspect(name), krenError('KREN_NOT_FOUND', name));
  assert.throws(() => kren.inspect('a/b'), krenError('KREN_INVALID_NAME', 'a/b'));
});
