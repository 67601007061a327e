// Where small messages are copied to: as Buffer.allocUnsafe does, many share one block, because a block of its
// own costs several times what the message does (350 ns against 50 ns for 64 bytes, Node 20).

import { markAsUntransferable } from 'node:worker_threads';

const SIZE = 64 * 1024;

/** Positions of messages in the pool: like those of any Buffer's allocator, on 8 bytes. */
const ALIGN = 8;

let offset = SIZE;
let pool = Buffer.alloc(0);
let bytes = pool.buffer;

/** The block for the next message, which `place` then cuts out. Native code checks what fits. */
export function room(): Buffer {
  // A block that somebody detached all the same has length 0.
  if (offset > SIZE - 512 || pool.length !== SIZE) {
    pool = Buffer.allocUnsafeSlow(SIZE);
    bytes = pool.buffer;
    // Who transfers one message to a worker must not take the others along.
    markAsUntransferable(bytes);
    offset = 0;
  }
  return pool;
}

/** Where in it. */
export function at(): number {
  return offset;
}

/** The message that native code put there. */
export function place(length: number): Buffer {
  const start = offset;
  offset += (length + ALIGN - 1) & -ALIGN;
  return Buffer.from(bytes, start, length);
}
