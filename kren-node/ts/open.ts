// Decides who works the ring of an endpoint.

import type { NativeReader, NativeWriter } from './native';
import { NativeReadingSide } from './native-reader';
import { NativeWritingSide } from './native-writer';
import { RingReader } from './ring-reader';
import { RingWriter } from './ring-writer';
import type { ReadingSide, WritingSide } from './sides';

/**
 * Leaves everything to the native layer, as where JavaScript cannot have the ring. In Bun too: its compiler makes a
 * load and a store of `Atomics.load`, and a reader's memory is not to be stored to.
 */
const isNative = process.env.KREN_NODE_RING === 'native' || process.versions.bun !== undefined;

export function openReadingSide(native: NativeReader): ReadingSide {
  if (native.isChecked()) return new NativeReadingSide(native, false);
  const outline = isNative ? undefined : native.ring();
  return outline === undefined ? new NativeReadingSide(native, true) : new RingReader(native, outline);
}

export function openWritingSide(native: NativeWriter): WritingSide {
  const outline = isNative ? undefined : native.ring();
  return outline === undefined ? new NativeWritingSide(native) : new RingWriter(native, outline);
}

/** What is left when an endpoint was closed: the native layer refuses every call. */
export function closedReadingSide(native: NativeReader): ReadingSide {
  return new NativeReadingSide(native, true);
}

/** See {@link closedReadingSide}. */
export function closedWritingSide(native: NativeWriter): WritingSide {
  return new NativeWritingSide(native);
}
