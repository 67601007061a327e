// Errors say what happened, to which channel, and carry the codes that all languages share.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import { test } from 'node:test';
import { assertGone, channelName, child, closing, kren, krenError, leaving, pair } from './support/index.mjs';

const require = createRequire(import.meta.url);

test('the table of codes is that of the core', () => {
  const { addon } = require('../dist/native.js');
  const core = Object.fromEntries(addon.errorCodes().map(({ name, number }) => [`KREN_${name}`, number]));
  assert.deepEqual({ ...kren.errorCodes }, core);
  assert.equal(addon.version(), require('../package.json').version);
});

test('a KrenError is an Error with code, number and channel', () => {
  const name = channelName();
  let error;
  try {
    new kren.Reader(name);
  } catch (caught) {
    error = caught;
  }
  assert.ok(error instanceof Error && error instanceof kren.KrenError);
  assert.equal(error.name, 'KrenError');
  assert.match(error.stack, /^KrenError: channel .*errors\.test\.mjs/s);
  assert.deepEqual({ ...error }, { code: 'KREN_NOT_FOUND', number: 1, channel: name });
  assert.match(error.message, new RegExp(`channel '${name}' does not exist`));
});

test('an uncaught error is what Node prints first, not a line of the source of this package', async (t) => {
  const name = channelName();
  leaving(t, name);
  const pair = 'const w = new kren.Writer(name, 4096), r = new kren.Reader(name);';
  for (const code of [
    'new kren.Reader(name);',
    'new kren.Reader(name, { timeout: 1 });',
    'new kren.Reader(5);',
    'new kren.Writer("a/b", 4096);',
    'new kren.Writer(name, -1);',
    'new kren.Writer(name, 4096, { mode: -1 });',
    `${pair} new kren.Writer(name, 4096);`,
    `${pair} r.read({ timeout: 1 });`,
    `${pair} r.read({ timeout: -1 });`,
    `${pair} w.close(); r.read();`,
    `${pair} w.close(); for (;;) r.readInto(Buffer.alloc(5));`,
    `${pair} r.close(); r.available;`,
    `${pair} w.write(Buffer.alloc(5000));`,
    `${pair} w.write(5);`,
    `${pair} w.writeMany([5]);`,
    `${pair} w.reserve(5); w.write('x');`,
    `${pair} w.reserve(-5);`,
    `${pair} r.readMany(0);`,
    `${pair} w.write('x'); w.flush({ timeout: 1 });`,
    `${pair} w.close(); w.write('x');`,
  ]) {
    const { errors, code: status } = await child(t, name, code).end();
    assert.equal(status, 1, `${code}: ${errors}`);
    assert.match(errors, /^\s*(Kren|Type|Range)Error: /, code);
  }
});

test('every allowed character makes a name, and each kind of bad name is refused', (t) => {
  const allowed = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.';
  const unique = `${process.pid}`;
  for (const name of [`${allowed}${unique}`, 'x'.repeat(128 - unique.length) + unique, `_${unique}`]) {
    const writer = closing(t, new kren.Writer(name, 4096));
    writer.write(name);
    const reader = closing(t, new kren.Reader(name));
    assert.equal(reader.read().toString(), name);
  }
  for (const name of ['', 'x'.repeat(129), 'a/b', '../up', 'a b', 'naïve', 'nul\0', 'new\nline', '😀']) {
    assert.throws(() => new kren.Writer(name, 4096), krenError('KREN_INVALID_NAME', name));
    assert.throws(() => new kren.Reader(name), krenError('KREN_INVALID_NAME', name));
  }
  for (const name of [undefined, null, 5, {}]) {
    assert.throws(() => new kren.Writer(name, 4096), {
      name: 'TypeError',
      message: /must be a string, not /,
    });
    assert.throws(() => new kren.Reader(name), TypeError);
  }
});

test('a capacity that cannot be is refused', () => {
  const name = channelName();
  for (const capacity of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    assert.throws(() => new kren.Writer(name, capacity), krenError('KREN_INVALID_CAPACITY', name));
  }
  for (const capacity of [undefined, '4096', 4096n]) {
    assert.throws(() => new kren.Writer(name, capacity), { name: 'TypeError', message: /number of bytes/ });
  }
  assertGone(name);
});

test('options are checked', (t) => {
  const name = channelName();
  for (const options of [{ alignment: 7 }, { mode: 0o1000 }, { strategy: 'lazy' }, { mode: -1 }]) {
    assert.throws(() => new kren.Writer(name, 4096, options), krenError('KREN_INVALID_OPTION', name));
  }
  for (const options of [
    { fresh: 1 },
    { anyOwner: 'yes' },
    { prefault: 0 },
    { machineWide: 'yes' },
    { strategy: 5 },
    { mode: '600' },
    'fresh',
  ]) {
    assert.throws(() => new kren.Writer(name, 4096, options), TypeError);
  }
  assertGone(name);
  const options = {
    alignment: 64,
    fresh: true,
    anyOwner: false,
    strategy: 'sleep',
    prefault: true,
    machineWide: true,
    mode: 0o640,
  };
  const writer = closing(t, new kren.Writer(name, 4096, options));
  const wide = { anyOwner: false, strategy: 'spin', prefault: true, machineWide: true };
  const reader = closing(t, new kren.Reader(name, wide));
  assert.equal(writer.alignment, 64);
  assert.equal(reader.alignment, 64);
  if (process.platform === 'linux') assert.equal(statSync(`/dev/shm/kren-${name}`).mode & 0o777, 0o640);
});

test('a channel is for its owner alone unless a mode is asked for (G8)', (t) => {
  const writer = closing(t, new kren.Writer(channelName(), 4096));
  if (process.platform === 'linux') {
    assert.equal(statSync(`/dev/shm/kren-${writer.name}`).mode & 0o777, 0o600);
  }
});

test('a timeout that is none is refused', async (t) => {
  const [writer, reader] = pair(t);
  const bad = krenError('KREN_INVALID_OPTION', writer.name, /option timeout is not valid/);
  for (const timeout of [Number.NaN, -1, Number.NEGATIVE_INFINITY]) {
    assert.throws(() => reader.read({ timeout }), bad);
    assert.throws(() => writer.write('x', { timeout }), bad);
    assert.throws(() => writer.flush({ timeout }), bad);
    await assert.rejects(reader.readAsync({ timeout }), bad);
    await assert.rejects(writer.writeAsync('x', { timeout }), bad);
    await assert.rejects(writer.flushAsync({ timeout }), bad);
    assert.throws(() => new kren.Reader(writer.name, { timeout }), bad);
    await assert.rejects(kren.connect(writer.name, { timeout }), bad);
  }
  assert.throws(() => reader.read({ timeout: '5' }), {
    name: 'TypeError',
    message: /timeout must be a number/,
  });
  assert.throws(() => reader.read(5), { name: 'TypeError', message: /options must be an object/ });
  await assert.rejects(reader.readAsync({ signal: {} }), { name: 'TypeError', message: /AbortSignal/ });
});

test('what takes too long ends with KREN_TIMED_OUT, in the same words either way', async (t) => {
  const [writer, reader] = pair(t, 4096);
  const text = (call) => {
    try {
      call();
    } catch (error) {
      krenError('KREN_TIMED_OUT', writer.name)(error);
      return error.message;
    }
    assert.fail('no error');
  };
  const rejected = (promise) =>
    promise.then(
      () => assert.fail('no error'),
      (error) => error.message,
    );

  for (const timeout of [0, 20]) {
    assert.equal(
      text(() => reader.read({ timeout })),
      await rejected(reader.readAsync({ timeout })),
    );
  }
  writer.write(Buffer.alloc(writer.maxMessageLength));
  for (const timeout of [0, 20]) {
    assert.equal(
      text(() => writer.write('x', { timeout })),
      await rejected(writer.writeAsync('x', { timeout })),
    );
    assert.equal(
      text(() => writer.flush({ timeout })),
      await rejected(writer.flushAsync({ timeout })),
    );
  }
  reader.read();
});

test('a second live writer or reader is refused, naming the pid that holds it (G5)', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    'const w = new kren.Writer(name, 4096), r = new kren.Reader(name); say("open"); setInterval(() => {}, 1000);',
  );
  await other.line();
  const pid = new RegExp(`pid ${other.pid}\\b`);
  assert.throws(() => new kren.Writer(name, 4096), krenError('KREN_WRITER_EXISTS', name, pid));
  assert.throws(() => new kren.Reader(name), krenError('KREN_READER_EXISTS', name, pid));
  await assert.rejects(kren.connect(name), krenError('KREN_READER_EXISTS', name, pid));
  await other.kill();
  closing(t, new kren.Writer(name, 4096), new kren.Reader(name));
});

test('another capacity with undelivered messages says how many; fresh discards them', (t) => {
  const name = channelName();
  const first = new kren.Writer(name, 4096);
  first.write('one');
  first.write('two');
  first.close();
  assert.throws(
    () => new kren.Writer(name, 65536),
    krenError('KREN_CAPACITY_MISMATCH', name, /2 undelivered messages/),
  );
  const writer = closing(t, new kren.Writer(name, 65536, { fresh: true }));
  const reader = closing(t, new kren.Reader(name));
  assert.equal(reader.tryRead(), null);
  writer.write('three');
  assert.equal(reader.read().toString(), 'three');
});
