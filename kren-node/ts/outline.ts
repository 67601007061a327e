// Where the words of a role page stand (docs/spec/segment.md), and how they are stored.

import type { Outline } from './native';

/** Offsets into a role page. */
export const POSITION = 0;
export const COUNT = 8;
export const TICKET = 256;
export const STREAMING = 260;

/**
 * Whether plain stores are seen in the order in which they are made, and nothing has to be seen before a later
 * load: the first is a property of the processor, the second one of the system (wake.md, W3).
 */
export function isOrdered({ fences }: Outline): boolean {
  return !fences && (process.arch === 'x64' || process.arch === 'ia32');
}

/**
 * From here on, and where source and target are not alike modulo 16, the native layer copies out of the ring several
 * times as fast as `set` does (kren-core/src/ring/copy.rs); a call costs more than shorter copies do.
 */
const LONG = 2048;

/** Whether to leave a copy out of the ring to the native layer. Memory begins on a multiple of 16 wherever it is from. */
export function isBetterNative(length: number, from: number, to: number): boolean {
  return length > LONG && ((from ^ to) & 15) !== 0;
}

/** Stores both halves of a position, at the index `at` of 32-bit words, as one. */
export function storeBoth(buffer: ArrayBuffer, at: number, low: number, high: number): void {
  const longs = new BigInt64Array(buffer, at * 4, 1);
  Atomics.store(longs, 0, (BigInt(high) << 32n) | BigInt(low >>> 0));
}
