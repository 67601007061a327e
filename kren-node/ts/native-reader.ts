// Reads through the native layer, for where the ring cannot be worked from JavaScript: in Electron and other
// runtimes without external ArrayBuffers, and for rings beyond a gigabyte.

import { Loans } from './loans';
import type { NativeReader } from './native';
import { at, place, room } from './pool';
import type { Held, Loan, OnReady, ReadingSide, Timeout } from './sides';

export class NativeReadingSide implements ReadingSide {
  readonly #native: NativeReader;
  readonly #loans: Loans;

  constructor(native: NativeReader) {
    this.#native = native;
    this.#loans = new Loans(native.name, ({ low, high, countLow, countHigh, moves }) =>
      this.#native.releaseTo(low, high, countLow, countHigh, moves ?? 0),
    );
  }

  get lastTag(): number {
    return this.#native.lastTag();
  }

  take(): Buffer | undefined {
    const holds = this.#loans.count > 0;
    const message = this.#next(holds);
    if (holds && message !== undefined) this.#loans.follow(this.#native.here());
    return message;
  }

  takeHeld(): Held | undefined {
    const message = this.#next(true);
    if (message === undefined) return undefined;
    return { message, release: this.#loans.hold(this.#native.here()) };
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
    const holds = this.#loans.count > 0;
    const length = this.#native.readInto(target, holds);
    if (holds && length !== undefined && length <= target.byteLength) {
      this.#loans.follow(this.#native.here());
    }
    return length;
  }

  /** A copy: the memory of the ring cannot be lent. It is held there all the same, until the copy is given back. */
  borrow(): Loan | undefined {
    const message = this.#next(true);
    if (message === undefined) return undefined;
    const part = new ArrayBuffer(message.length);
    new Uint8Array(part).set(message);
    return this.#loans.lend(part, this.lastTag, this.#native.here());
  }

  /** At a copy: it stays in the ring. */
  look<T>(use: (message: Uint8Array) => T): T | undefined {
    const length = this.#native.look(new Uint8Array(0));
    if (length === undefined) return undefined;
    const copy = new Uint8Array(length);
    this.#native.look(copy);
    return use(copy);
  }

  skip(): void {
    this.take();
  }

  wait(timeout: Timeout): void {
    this.#native.waitReadable(timeout);
  }

  arm(length: number, onReady: OnReady): void {
    this.#native.arm(length, onReady);
  }

  follow(): number {
    return this.#native.follow();
  }

  available(): number {
    return this.#native.available();
  }

  held(): number {
    return this.#native.held();
  }

  close(): void {
    this.#loans.endAll();
  }

  #next(holds: boolean): Buffer | undefined {
    const taken = this.#native.tryRead(room(), at(), holds);
    return typeof taken === 'number' ? place(taken) : taken;
  }
}
