// What the examples share: the command line, and contents that every language makes alike.
//
// examples/rust/src/lib.rs and examples/python/pattern.py are this file in those languages.

import process from 'node:process';

/** Milliseconds that a reader waits for its writer to create the channel. */
export const PATIENCE = 10_000;

/** The bytes of one image of the frames example. */
export const FRAME = 1024 * 1024;

/** The channel's name: the first argument of every example. */
export function channel(fallback) {
  return process.argv[2] ?? fallback;
}

/** Argument `index` as a number, or `fallback` where it is absent. */
export function number(index, fallback) {
  return Number(process.argv[1 + index] ?? fallback);
}

/** Bytes that look random and are the same everywhere: xorshift32, four bytes a step. */
export function block(length) {
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
  let state = 0x4b52454e;
  for (let at = 0; at < length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  return bytes.subarray(0, length);
}

/** The stream's messages: slices of one block; place and length follow from their number. */
export class Messages {
  #block;
  #lengths;

  constructor(maxSize) {
    this.#block = block(65536 + maxSize);
    this.#lengths = maxSize + 1;
  }

  get(number) {
    const start = number % 65536;
    const length = (Math.imul(number, 2654435761) >>> 0) % this.#lengths;
    return this.#block.subarray(start, start + length);
  }
}
