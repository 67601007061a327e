// Where messages are copied to. Small ones share a block, as Buffer.allocUnsafe has it, because a block of its
// own costs several times what the message does (350 ns against 50 ns for 64 bytes, Node 20).

import { Buffer } from 'node:buffer';
import { markAsUntransferable } from 'node:worker_threads';
import { native } from './native';

/** The class of a Buffer that shares memory. `Buffer.from` finds it too, after a call into C++. */
const View = (
  Buffer as unknown as { [Symbol.species]: new (memory: ArrayBuffer, at: number, length: number) => Buffer }
)[Symbol.species];

/** What one message that is kept may keep with it. */
const SIZE = 64 * 1024;

/** Longer messages get a block of their own. As in src/reader.rs. */
const POOLED = 4096;

/** From here on the C library should know that long blocks come and go: see src/heap.rs. */
const LONG = 32 * 1024;
let isLongExpected = false;

/** Up to here a loop over words is cheaper than `set`, which takes a view of the source. */
const LOOPED = 128;

/** Positions of messages in the pool: like those of any Buffer's allocator, on 8 bytes. */
const ALIGN = 8;

let offset = SIZE;
let pool = Buffer.alloc(0);
let bytes: ArrayBuffer = new ArrayBuffer(0);
let words = new Int32Array(0);

/** The pool, with room for one message at least; native code checks what fits. */
export function room(): Buffer {
  // A block that somebody detached all the same has length 0.
  if (offset > SIZE - POOLED || pool.length !== SIZE) renew();
  return pool;
}

/** Where in it. */
export function at(): number {
  return offset;
}

/** The message that was put there. */
export function place(length: number): Buffer {
  const start = offset;
  offset = start + ((length + ALIGN - 1) & -ALIGN);
  return new View(bytes, start, length);
}

/**
 * A Buffer in memory that V8 owns with the `length` bytes that lie at `from`, a multiple of 8, in `source`, whose
 * words `sourceWords` are. It may read up to the next multiple of 8.
 */
export function copyOut(source: ArrayBuffer, sourceWords: Int32Array, from: number, length: number): Buffer {
  if (length > POOLED) {
    if (length >= LONG && !isLongExpected) {
      isLongExpected = true;
      native.expectLong();
    }
    // As far from a multiple of 16 as the source: `set` is several times as fast then.
    const at = from & 15;
    const own = new View(Buffer.allocUnsafeSlow(at + length).buffer as ArrayBuffer, at, length);
    own.set(new Uint8Array(source, from, length));
    return own;
  }
  if (offset + length > SIZE || pool.length !== SIZE) renew();
  if (length > LOOPED) {
    pool.set(new Uint8Array(source, from, length), offset);
  } else {
    copyWords(sourceWords, from >> 2, words, offset >> 2, (length + 3) >> 2);
  }
  return place(length);
}

/** Word by word: a Float64Array would be faster, and may change the bits of what is no number. */
function copyWords(from: Int32Array, at: number, to: Int32Array, start: number, count: number): void {
  let source = at;
  let target = start;
  const end = at + count;
  // Written out, since V8 unrolls no loops.
  for (; source + 8 <= end; source += 8, target += 8) {
    to[target] = from[source] as number;
    to[target + 1] = from[source + 1] as number;
    to[target + 2] = from[source + 2] as number;
    to[target + 3] = from[source + 3] as number;
    to[target + 4] = from[source + 4] as number;
    to[target + 5] = from[source + 5] as number;
    to[target + 6] = from[source + 6] as number;
    to[target + 7] = from[source + 7] as number;
  }
  for (; source < end; source += 1, target += 1) to[target] = from[source] as number;
}

function renew(): void {
  pool = Buffer.allocUnsafeSlow(SIZE);
  bytes = pool.buffer as ArrayBuffer;
  words = new Int32Array(bytes);
  // Who transfers one message to a worker must not take the others along.
  markAsUntransferable(bytes);
  offset = 0;
}
