// The ring as it is worked from JavaScript: far positions, hostile bytes, other implementations on the other side.

import assert from 'node:assert/strict';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import {
  assertFine,
  assertGone,
  channelName,
  child,
  closing,
  kren,
  krenError,
  leaving,
  pair,
} from './support/index.mjs';

const onLinux = { skip: process.platform === 'linux' ? false : 'alters the segment as a file' };

const PAGE = 4096;
/** Offsets in a segment of the smallest pages: the role pages and the data. */
const WRITER = PAGE;
const READER = 2 * PAGE;
const DATA = 3 * PAGE;

/** Changes numbers of a channel's memory: `[offset, bits, value]`. */
function alter(name, ...changes) {
  const file = openSync(`/dev/shm/kren-${name}`, 'r+');
  try {
    for (const [offset, bits, value] of changes) {
      const bytes = Buffer.alloc(bits / 8);
      if (bits === 64) bytes.writeBigUInt64LE(BigInt(value));
      else bytes.writeUInt32LE(value);
      writeSync(file, bytes, 0, bytes.length, offset);
    }
  } finally {
    closeSync(file);
  }
}

function look(name, offset) {
  const file = openSync(`/dev/shm/kren-${name}`, 'r');
  try {
    const bytes = Buffer.alloc(8);
    readSync(file, bytes, 0, 8, offset);
    return bytes.readBigUInt64LE();
  } finally {
    closeSync(file);
  }
}

/** A channel whose two sides stand at `position`. */
function startAt(position) {
  const name = channelName();
  const writer = new kren.Writer(name, 4096);
  writer.write('left behind, so that the channel stays');
  writer.close();
  alter(name, [DATA, 64, 0], [WRITER, 64, position], [READER, 64, position]);
  return name;
}

for (const position of [2n ** 32n, 2n ** 33n, 2n ** 53n, 2n ** 61n]) {
  test(`messages pass where positions pass ${position}`, onLinux, async (t) => {
    const start = position - 256n;
    const name = startAt(start);
    const writer = closing(t, new kren.Writer(name, 4096));
    const reader = closing(t, new kren.Reader(name));
    let expected = start;
    const moved = (length) => {
      expected += BigInt(((length + 15) >> 3) << 3);
    };
    for (let n = 0; n < 40; n++) {
      const text = `${n}`.repeat(n % 5);
      switch (n % 4) {
        case 0:
          writer.write(text);
          break;
        case 1:
          writer.writeMany([text]);
          break;
        case 2:
          await writer.writeAsync(text);
          break;
        default: {
          const room = writer.reserve(text.length);
          room.data.write(text);
          room.commit();
        }
      }
      moved(text.length);
      assert.equal(look(name, WRITER), expected, 'the position is stored with all its bits (R6)');
      assert.equal(writer.available, 4096 - 8 - (((text.length + 15) >> 3) << 3));
      if (n % 3 === 0) {
        const loan = reader.borrow();
        assert.equal(loan.data.toString(), text);
        loan.release();
      } else if (n % 3 === 1) {
        assert.equal(reader.read().toString(), text);
      } else {
        assert.equal((await reader.readAsync()).toString(), text);
      }
      assert.equal(look(name, READER), expected, 'so is the reader’s (R8)');
      assert.equal(reader.available, 0);
    }
    assert.ok(expected > position);
    // Full and empty across the end, and a wait that the native layer does.
    while (writer.tryWrite('fill'));
    assert.throws(() => writer.write('fill', { timeout: 5 }), krenError('KREN_TIMED_OUT', name));
    assert.equal(reader.readMany(1e6).length, 256);
    assert.throws(() => reader.read({ timeout: 5 }), krenError('KREN_TIMED_OUT', name));
    writer.flush();
  });
}

test('a channel that was left in the middle is gone on with (G3)', onLinux, (t) => {
  const name = channelName();
  for (let round = 0; round < 30; round++) {
    const writer = new kren.Writer(name, 4096);
    writer.writeMany(['a'.repeat(round * 7), 'b'.repeat(round * 11)]);
    writer.close();
    const reader = new kren.Reader(name);
    if (round > 0) assert.equal(reader.read().toString(), 'b'.repeat((round - 1) * 11));
    assert.equal(reader.read().toString(), 'a'.repeat(round * 7));
    reader.close();
  }
  const reader = closing(t, new kren.Reader(name));
  assert.equal(reader.read().length, 29 * 11);
});

const calls = {
  read: (reader) => reader.read(),
  tryRead: (reader) => reader.tryRead(),
  readMany: (reader) => reader.readMany(5),
  readInto: (reader) => reader.readInto(Buffer.alloc(4096)),
  borrow: (reader) => reader.borrow(),
};

for (const [call, act] of Object.entries(calls)) {
  test(`a length that cannot be is corrupt to ${call}() (G7)`, onLinux, async (t) => {
    for (const word of [4090, 4097, 65536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      const [writer, reader] = pair(t, 4096);
      leaving(t, writer.name);
      writer.write('good');
      writer.write('bad');
      assert.equal(reader.read().toString(), 'good');
      alter(writer.name, [DATA + 16, 32, word]);
      for (let again = 0; again < 2; again++) {
        assert.throws(() => act(reader), krenError('KREN_CORRUPT', writer.name, /longer than the ring/));
      }
      await assert.rejects(reader.readAsync(), krenError('KREN_CORRUPT', writer.name));
    }
  });
}

test('readMany hands out what came before the damage (G7)', onLinux, (t) => {
  const [writer, reader] = pair(t, 4096);
  leaving(t, writer.name);
  writer.writeMany(['a', 'b', 'c']);
  alter(writer.name, [DATA + 32, 32, 0xffff_ffff]);
  assert.deepEqual(reader.readMany(9).map(String), ['a', 'b']);
  assert.throws(() => reader.readMany(9), krenError('KREN_CORRUPT', writer.name));
});

test('a record that has lost its header is no empty ring (G7)', onLinux, async (t) => {
  const [writer, reader] = pair(t, 4096);
  leaving(t, writer.name);
  writer.write('lost');
  alter(writer.name, [DATA, 64, 0]);
  assert.equal(reader.tryRead(), null);
  assert.throws(() => reader.read(), krenError('KREN_CORRUPT', writer.name, /lost its header/));
  await assert.rejects(reader.readAsync(), krenError('KREN_CORRUPT', writer.name));
});

test('a reader’s position that cannot be is corrupt to the writer (G7)', onLinux, async (t) => {
  for (const position of [8n, 4104n, 2n ** 32n, 2n ** 32n + 4000n, 2n ** 62n, 2n ** 64n - 8n]) {
    const [writer, reader] = pair(t, 4096);
    leaving(t, writer.name);
    writer.write('x');
    reader.read();
    alter(writer.name, [READER, 64, position]);
    if (position === 8n) {
      // Within a lap, if never reached: no byte of an unread record is at stake.
      assert.equal(writer.tryWrite('y'), true);
      continue;
    }
    const damaged = krenError('KREN_CORRUPT', writer.name, /within a lap/);
    const fill = Buffer.alloc(4000);
    assert.throws(() => {
      while (writer.tryWrite(fill));
      writer.write(fill, { timeout: 1000 });
    }, damaged);
    assert.throws(() => writer.reserve(4000), damaged);
    await assert.rejects(writer.writeAsync(fill), damaged);
  }
});

test('payload bytes and tags of every kind pass unchanged (G1)', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  // Patterns that a floating-point copy would change, among others.
  const words = [
    0x7ff0_0000, 0x7ff0_0001, 0xfff7_ffff, 0xfff6_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1,
  ];
  for (let length = 0; length < 300; length++) {
    const message = Buffer.alloc(length);
    for (let i = 0; i + 4 <= length; i += 4) message.writeUInt32LE(words[(i / 4 + length) % words.length], i);
    const tag = words[length % words.length];
    writer.write(message, { tag });
    assert.ok(reader.read().equals(message), `length ${length}`);
    assert.equal(reader.lastTag, tag);
  }
});

test('the ring in JavaScript and the native one understand each other (G1)', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const r = new kren.Reader(name, { timeout: 20000 }), w = new kren.Writer(name + '-back', 65536);
     for (const message of r) w.write(message, { tag: r.lastTag });`,
    [],
    { KREN_NODE_RING: process.env.KREN_NODE_RING === 'native' ? '' : 'native' },
  );
  const writer = closing(t, new kren.Writer(name, 65536));
  const reader = closing(t, await kren.connect(`${name}-back`, { timeout: 20_000 }));
  for (let n = 0; n < 3000; n++) {
    const message = Buffer.alloc((n * n) % 9000, n);
    writer.write(message, { tag: n });
    if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(reader.read({ timeout: 20_000 }).equals(message), `message ${n}`);
    assert.equal(reader.lastTag, n);
  }
  writer.close();
  await assertFine(other);
  reader.close();
  assertGone(name);
  assertGone(`${name}-back`);
});

test('closing in the middle leaves no name behind, and loses nothing', () => {
  const name = channelName();
  for (const read of [0, 1, 2]) {
    const writer = new kren.Writer(name, 4096);
    const reader = new kren.Reader(name);
    writer.writeMany(['a', 'b']);
    for (let i = 0; i < read; i++) reader.read();
    reader.close();
    writer.close();
    if (read === 2) break;
    const rest = new kren.Reader(name);
    assert.equal(rest.readMany(9).length, 2 - read);
    rest.close();
  }
  assertGone(name);
});
