// Messages looked at and built where they lie: borrow() and reserve().

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFine, assertGone, channelName, child, kren, krenError, pair } from './support/index.mjs';

/** A short message is lent as a copy, a long one in place. */
const LENGTHS = [0, 1, 100, 16 * 1024 - 1, 16 * 1024, 100_000];
const pattern = (length, seed = 0) => Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7 + seed));

test('a borrowed message is the message, until it is released', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of LENGTHS) {
    writer.write(pattern(length), { tag: length });
    const borrowed = reader.borrow();
    const view = borrowed.data.subarray(0);
    assert.ok(Buffer.isBuffer(borrowed.data));
    assert.equal(borrowed.tag, length);
    assert.equal(reader.lastTag, length);
    assert.ok(borrowed.data.equals(pattern(length)), `length ${length}`);
    assert.equal(reader.held, ((length + 15) >> 3) << 3);
    borrowed.release();
    assert.equal(reader.held, 0);
    assert.equal(borrowed.data.length, 0);
    assert.equal(view.length, 0);
    borrowed.release();
    assert.equal(writer.available, writer.maxMessageLength);
  }
  assert.throws(() => reader.borrow({ timeout: 5 }), krenError('KREN_TIMED_OUT', reader.name));
});

test('using releases', (t) => {
  const [writer, reader] = pair(t);
  writer.write('x');
  const borrowed = reader.borrow();
  borrowed[Symbol.dispose]();
  assert.equal(borrowed.data.length, 0);
  assert.equal(reader.held, 0);
});

test('several are held at once and released in any order; the writer gets them back from the oldest on', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const order of [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [1, 3, 0, 2],
    [2, 0, 3, 1],
  ]) {
    for (let i = 0; i < 4; i++) writer.write(pattern(i % 2 ? 20_000 : 20, i));
    const loans = [0, 1, 2, 3].map(() => reader.borrow());
    const over = new Set();
    for (const i of order) {
      loans.forEach((loan, j) => {
        assert.ok(over.has(j) ? loan.data.length === 0 : loan.data.equals(pattern(j % 2 ? 20_000 : 20, j)));
      });
      loans[i].release();
      over.add(i);
      const freed = [0, 1, 2, 3].findIndex((j) => !over.has(j));
      const strides = [32, 20_008, 32, 20_008];
      const held = freed < 0 ? 0 : strides.slice(freed).reduce((sum, stride) => sum + stride);
      assert.equal(reader.held, held);
      assert.equal(writer.available, writer.maxMessageLength - held);
    }
  }
});

test('what is read behind a held message is released with it', (t) => {
  const [writer, reader] = pair(t, 4096);
  writer.writeMany(['held', 'a', 'b', 'c', 'd', 'e']);
  const first = reader.borrow();
  assert.equal(reader.read().toString(), 'a');
  assert.equal(reader.tryRead().toString(), 'b');
  const second = reader.borrow();
  assert.equal(reader.readInto(Buffer.alloc(9)), 1);
  assert.equal(reader.readMany(9).length, 1);
  assert.equal(reader.held, 6 * 16);
  first.release();
  assert.equal(reader.held, 3 * 16);
  second.release();
  assert.equal(reader.held, 0);
  writer.write('again');
  assert.equal(reader.read().toString(), 'again');
  assert.equal(reader.held, 0);
});

test('a ring that is full of held messages blocks its writer, and releasing wakes it', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `const w = new kren.Writer(name, 65536); for (let i = 0; i < 7; i++) w.write(Buffer.alloc(16384, i)); say('done');`,
  );
  const reader = await kren.connect(name, { timeout: 20_000 });
  t.after(() => reader.close());
  const loans = [0, 1, 2].map(() => reader.borrow());
  await new Promise((resolve) => setTimeout(resolve, 150));
  for (let i = 0; i < 7; i++) {
    const loan = loans.shift();
    assert.ok(loan.data.every((byte) => byte === i));
    loan.release();
    if (i < 4) loans.push(reader.borrow());
  }
  assert.equal(await other.line(), 'done');
  await assertFine(other);
});

test('a closed reader takes back what it lent, and the messages stay for the next one (G3)', (t) => {
  const [writer, first] = pair(t, 1 << 20);
  for (const length of [10, 50_000]) writer.write(pattern(length));
  const loans = [first.borrow(), first.borrow()];
  const views = loans.map((loan) => loan.data.subarray(1));
  first.close();
  for (const [i, loan] of loans.entries()) {
    assert.equal(loan.data.length, 0);
    assert.equal(views[i].length, 0);
    loan.release();
  }
  const second = new kren.Reader(writer.name);
  t.after(() => second.close());
  for (const length of [10, 50_000]) assert.ok(second.read().equals(pattern(length)));
});

test('a loan that the program lets go is released when it is collected', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `(async () => {
      const w = new kren.Writer(name, 1 << 20), r = new kren.Reader(name);
      for (let i = 0; i < 4; i++) w.write(Buffer.alloc(i % 2 ? 10 : 20000));
      let kept = r.borrow();
      (() => { r.borrow(); r.borrow(); r.borrow(); })();
      const view = (() => { const { data } = kept; kept = undefined; return data; })();
      for (let i = 0; i < 20; i++) { globalThis.gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
      say('held ' + (r.held > 0) + ' ' + view.length);
      let gone = view; void gone;
      r.close(); w.close();
      say('closed ' + view.length);
    })();`,
    ['--expose-gc'],
  );
  assert.equal(await other.line(), 'held true 20000');
  assert.equal(await other.line(), 'closed 0');
  await assertFine(other);
  const next = new kren.Reader(name);
  assert.equal(next.readMany(9).length, 4, 'the oldest was never released, so all four come once more');
  next.close();
  assertGone(name);
});

test('a hundred thousand loans in a row leave nothing behind', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  const message = pattern(16 * 1024);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20_000; i++) {
    const room = writer.reserve(16 * 1024);
    room.data[0] = i;
    room.commit();
    const loan = reader.borrow();
    assert.equal(loan.data[0], i & 255);
    loan.release();
  }
  assert.ok(message.length > 0);
  assert.ok(process.memoryUsage().rss - before < 256 << 20);
});

test('what is built in reserved room arrives when it is committed, not before (G1)', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of LENGTHS) {
    const reserved = writer.reserve(length);
    assert.equal(reserved.data.length, length);
    pattern(length).copy(reserved.data);
    assert.equal(reader.tryRead(), null);
    const view = reserved.data.subarray(0);
    reserved.commit();
    assert.equal(view.length, 0);
    assert.ok(reader.read().equals(pattern(length)));
  }
});

test('less than was reserved may be committed, with a tag', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of [100, 30_000]) {
    const reserved = writer.reserve(length);
    reserved.data.write('short');
    reserved.commit(5, 77);
    assert.equal(reader.read().toString(), 'short');
    assert.equal(reader.lastTag, 77);
    writer.write('next');
    assert.equal(reader.read().toString(), 'next');
  }
  const reserved = writer.reserve(10);
  for (const bad of [11, -1, 1.5, Number.NaN]) assert.throws(() => reserved.commit(bad), RangeError);
  for (const bad of [-1, 1.5, 2 ** 32]) assert.throws(() => reserved.commit(1, bad), RangeError);
  reserved.commit(0);
  assert.equal(reader.read().length, 0);
  assert.throws(() => reserved.commit(), krenError('KREN_CLOSED', writer.name));
});

test('room that is given up is never seen, and using gives it up', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of [100, 30_000]) {
    const aborted = writer.reserve(length);
    aborted.data.fill(1);
    aborted.abort();
    assert.equal(aborted.data.length, 0);
    aborted.abort();
    writer.reserve(length)[Symbol.dispose]();
    writer.write('kept');
    assert.equal(reader.read().toString(), 'kept');
    assert.equal(reader.tryRead(), null);
    assert.throws(() => aborted.commit(), krenError('KREN_CLOSED', writer.name));
  }
});

test('nothing else is written while room is reserved', async (t) => {
  const [writer, reader] = pair(t);
  const reserved = writer.reserve(4);
  const busy = krenError('KREN_BUSY', writer.name, /reserved room/);
  assert.throws(() => writer.write('x'), busy);
  assert.throws(() => writer.tryWrite('x'), busy);
  assert.throws(() => writer.writeMany(['x']), busy);
  assert.throws(() => writer.reserve(1), busy);
  assert.throws(() => writer.flush(), busy);
  await assert.rejects(writer.writeAsync('x'), busy);
  reserved.data.write('room');
  reserved.commit();
  writer.write('x');
  assert.deepEqual(reader.readMany(9).map(String), ['room', 'x']);
});

test('reserve waits for room, and says what cannot be', (t) => {
  const [writer, reader] = pair(t, 65536);
  writer.write(Buffer.alloc(60_000));
  for (const length of [10_000, 40_000]) {
    assert.throws(() => writer.reserve(length, { timeout: 5 }), krenError('KREN_TIMED_OUT', writer.name));
  }
  assert.throws(() => writer.reserve(65536), krenError('KREN_TOO_LARGE', writer.name));
  for (const bad of [-1, 1.5, Number.NaN, '4']) assert.throws(() => writer.reserve(bad), RangeError);
  reader.read();
  writer.reserve(65528).commit();
  assert.equal(reader.read().length, 65528);
});

test('room is reserved as long as there is any, and no message is built over another (G1)', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of [1000, 20_000, 100_000]) {
    for (let round = 0; round < 3; round++) {
      const most = Math.floor(writer.capacity / (length + 8));
      for (let i = 0; i < most; i++) {
        const reserved = writer.reserve(length);
        reserved.data.fill(i);
        reserved.commit();
      }
      assert.throws(() => writer.reserve(length, { timeout: 1 }), krenError('KREN_TIMED_OUT', writer.name));
      for (let i = 0; i < most; i++) assert.ok(reader.read().equals(Buffer.alloc(length, i)), `message ${i}`);
      assert.equal(reader.tryRead(), null);
    }
  }
});

test('a closed writer gives its reserved room up', () => {
  const name = channelName();
  const writer = new kren.Writer(name, 65536);
  const reserved = [writer.reserve(20_000)];
  const view = reserved[0].data;
  writer.close();
  assert.equal(view.length, 0);
  assert.throws(() => reserved[0].commit(), krenError('KREN_CLOSED', name));
  assert.throws(() => writer.reserve(1), krenError('KREN_CLOSED', name));
  assertGone(name);
});

test('a copy of a borrowed message stays when it is released', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of LENGTHS) {
    writer.write(pattern(length));
    const borrowed = reader.borrow();
    const copy = borrowed.copy();
    assert.ok(Buffer.isBuffer(copy));
    borrowed.release();
    assert.ok(copy.equals(pattern(length)));
    if (length > 0)
      assert.throws(() => borrowed.copy(), krenError('KREN_CLOSED', reader.name, /released already/));
  }
});

test('lent memory cannot be moved to another thread', (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of LENGTHS.slice(1)) {
    const reserved = writer.reserve(length);
    pattern(length).copy(reserved.data);
    // Refused, or a copy is moved: that is up to the version of Node.js.
    const move = (view) => {
      try {
        structuredClone(view, { transfer: [view.buffer] });
      } catch (error) {
        assert.equal(error.name, 'DataCloneError');
      }
    };
    move(reserved.data);
    reserved.commit();
    const borrowed = reader.borrow();
    move(borrowed.data);
    assert.ok(borrowed.data.equals(pattern(length)), `length ${length}`);
    borrowed.release();
    assert.equal(borrowed.data.length, 0);
  }
});

test('room whose memory was taken elsewhere is not sent', { skip: !ArrayBuffer.prototype.transfer }, (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  for (const length of [100, 20_000]) {
    const reserved = writer.reserve(length);
    reserved.data.buffer.transfer();
    assert.throws(() => reserved.commit(), {
      name: 'TypeError',
      message: /transferred elsewhere, and nothing was sent/,
    });
    assert.equal(reader.tryRead(), null);
    writer.write('goes on');
    assert.equal(`${reader.read()}`, 'goes on');
  }
});

test('lend() lends each message for one step (G2)', async (t) => {
  const [writer, reader] = pair(t, 1 << 20);
  const stride = (length) => ((length + 15) >> 3) << 3;
  const loops = {
    async for(body) {
      for (const message of reader.lend()) if (body(message)) break;
    },
    async forAwait(body) {
      for await (const message of reader.lend()) if (body(message)) break;
    },
  };
  for (const loop of Object.values(loops)) {
    for (const length of LENGTHS) writer.write(pattern(length), { tag: length });
    let last;
    let n = 0;
    await loop((message) => {
      if (last !== undefined) assert.equal(last.data.length, 0);
      last = message;
      const length = LENGTHS[n];
      assert.equal(message.tag, length);
      assert.ok(message.data.equals(pattern(length)));
      assert.equal(reader.held, stride(length));
      n += 1;
      return n === LENGTHS.length;
    });
    assert.equal(last.data.length, 0);
    assert.equal(reader.held, 0);
    writer.write('one');
    writer.write('two');
    await assert.rejects(
      loop(() => {
        throw new Error('mine');
      }),
      { message: 'mine' },
    );
    assert.equal(reader.held, 0);
    assert.equal(`${reader.read()}`, 'two');
  }
  assert.throws(() => [...reader.lend({ timeout: 5 })], krenError('KREN_TIMED_OUT', reader.name));
  await assert.rejects(
    async () => {
      for await (const _ of reader.lend({ timeout: 5 }));
    },
    krenError('KREN_TIMED_OUT', reader.name),
  );
  await assert.rejects(
    async () => {
      for await (const _ of reader.lend({ signal: AbortSignal.timeout(20) }));
    },
    { name: 'TimeoutError' },
  );
  writer.writeMany(['a', 'b']);
  writer.close();
  const seen = [];
  for (const { data } of reader.lend()) {
    seen.push(`${data}`);
    break;
  }
  for await (const { data } of reader.lend()) seen.push(`${data}`);
  for (const _ of reader.lend()) assert.fail();
  assert.deepEqual(seen, ['a', 'b']);
});

test('loans are all collected when they are forgotten, and the writer goes on', async (t) => {
  const name = channelName();
  const other = child(
    t,
    name,
    `(async () => {
      const w = new kren.Writer(name, 65536), r = new kren.Reader(name);
      for (let i = 0; i < 3; i++) w.write(Buffer.alloc(i === 1 ? 10 : 20000));
      (() => { r.borrow(); r.borrow(); r.lend()[Symbol.iterator]().next(); })();
      for (let i = 0; i < 200 && r.held > 0; i++) { globalThis.gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
      say('held ' + r.held + ' ' + (w.available === w.maxMessageLength));
      r.close(); w.close();
    })();`,
    ['--expose-gc'],
  );
  assert.equal(await other.line(), 'held 0 true');
  await assertFine(other);
  assertGone(name);
});
