// Reads through the native layer, for where the ring cannot be worked from JavaScript: in Electron and other
// runtimes without external ArrayBuffers, and for rings beyond a gigabyte.

import { type NativeReader, native as functions } from './native';
import { at, place, room } from './pool';
import type { Loan, OnReady, ReadingSide, Timeout } from './sides';

export class NativeReadingSide implements ReadingSide {
  readonly #native: NativeReader;
  readonly #loans = new Set<Loan>();

  constructor(native: NativeReader) {
    this.#native = native;
  }

  get lastTag(): number {
    return this.#native.lastTag();
  }

  take(): Buffer | undefined {
    const taken = this.#native.tryRead(room(), at());
    return typeof taken === 'number' ? place(taken) : taken;
  }

  takeMany(max: number): Buffer[] {
    const messages: Buffer[] = [];
    try {
      while (messages.length < max) {
        const message = this.take();
        if (message === undefined) break;
        messages.push(message);
      }
    } catch (error) {
      if (messages.length === 0) throw error;
    }
    return messages;
  }

  takeInto(target: Uint8Array): number | undefined {
    return this.#native.readInto(target);
  }

  /** A copy: the memory of the ring cannot be lent. */
  borrow(): Loan | undefined {
    const message = this.take();
    if (message === undefined) return undefined;
    const part = new ArrayBuffer(message.length);
    const bytes = Buffer.from(part);
    message.copy(bytes);
    const loan: Loan = {
      bytes,
      tag: this.lastTag,
      end: () => {
        if (this.#loans.delete(loan)) functions.detach(part);
      },
    };
    this.#loans.add(loan);
    return loan;
  }

  wait(timeout: Timeout): void {
    this.#native.waitReadable(timeout);
  }

  arm(length: number, onReady: OnReady): void {
    this.#native.arm(length, onReady);
  }

  available(): number {
    return this.#native.available();
  }

  held(): number {
    return this.#native.held();
  }

  close(): void {
    for (const loan of this.#loans) loan.end();
  }
}
