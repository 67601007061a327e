// Writes through the native layer; native-reader.ts says when.

import { markAsLent } from './lent';
import { native as functions, type NativeWriter } from './native';
import type { OnReady, Room, Timeout, WritingSide } from './sides';

export class NativeWritingSide implements WritingSide {
  readonly #native: NativeWriter;

  constructor(native: NativeWriter) {
    this.#native = native;
  }

  put(data: Uint8Array, tag: number): boolean {
    return this.#native.tryWrite(data, tag);
  }

  stage(data: Uint8Array, tag: number): boolean {
    return this.put(data, tag);
  }

  gather(pieces: readonly Uint8Array[], length: number, tag: number): boolean {
    // Said at once what never fits, before it is put together.
    if (length > this.#native.maxMessageLength) this.#native.wait(length, 0);
    if (length > this.#native.available()) return false;
    return this.put(Buffer.concat(pieces, length), tag);
  }

  publish(): void {}

  /** Beside the ring, whose memory cannot be lent: what is built here is copied there. */
  reserve(length: number): Room | undefined {
    if (length > this.#native.maxMessageLength) this.#native.wait(length, 0);
    if (length > this.#native.available() || this.#native.free(8) < 8) return undefined;
    const part = new ArrayBuffer(length);
    markAsLent(part);
    const bytes = Buffer.from(part);
    return {
      bytes,
      commit: (used, tag) => {
        // There is room: nothing else is written while this is open.
        this.put(bytes.subarray(0, used), tag);
        functions.detach(part);
      },
      abort: () => functions.detach(part),
    };
  }

  wait(length: number, timeout: Timeout): void {
    this.#native.wait(length, timeout);
  }

  flush(timeout: Timeout): void {
    this.#native.flush(timeout);
  }

  drained(): boolean {
    return this.#native.drained();
  }

  arm(length: number, onReady: OnReady): void {
    this.#native.arm(length, onReady);
  }

  available(): number {
    return this.#native.available();
  }

  close(): void {}
}
