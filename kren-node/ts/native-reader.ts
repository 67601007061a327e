// Reads through the native layer, for where the ring cannot be worked from JavaScript: in Electron and other
// runtimes without external ArrayBuffers, for rings beyond a gigabyte, and where messages may be overwritten while
// they are read (broadcast.md, B7), which is for the native layer to judge.

import { KrenError } from './errors';
import { Loans } from './loans';
import type { NativeReader } from './native';
import { at, place, room } from './pool';
import type { Held, Loan, OnReady, ReadingSide, Timeout } from './sides';

export class NativeReadingSide implements ReadingSide {
  readonly #native: NativeReader;
  readonly #loans: Loans;
  /** Whether what is lent is held in the ring. Where it may be overwritten there is nothing to hold: it is released at once. */
  readonly #keeps: boolean;
  /** A loss that was met in the middle of several messages: the next call says it. */
  #untold: KrenError | undefined;

  constructor(native: NativeReader, keeps: boolean) {
    this.#native = native;
    this.#keeps = keeps;
    this.#loans = new Loans(native.name, ({ low, high, countLow, countHigh, moves }) => {
      if (keeps) native.releaseTo(low, high, countLow, countHigh, moves ?? 0);
    });
  }

  get lastTag(): number {
    return this.#native.lastTag();
  }

  take(): Buffer | undefined {
    const holds = this.#holds();
    const message = this.#next(holds);
    if (holds && message !== undefined) this.#loans.follow(this.#native.here());
    return message;
  }

  takeHeld(): Held | undefined {
    const message = this.#next(this.#keeps);
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
      // Of all others it is told again.
      if (error instanceof KrenError && error.missed !== undefined) this.#untold = error;
    }
    return messages;
  }

  takeInto(target: Uint8Array): number | undefined {
    this.#tell();
    const holds = this.#holds();
    const length = this.#native.readInto(target, holds);
    if (holds && length !== undefined && length <= target.byteLength) {
      this.#loans.follow(this.#native.here());
    }
    return length;
  }

  /** A copy: the memory of the ring cannot be lent. It is held there all the same, until the copy is given back. */
  borrow(): Loan | undefined {
    const message = this.#next(this.#keeps);
    if (message === undefined) return undefined;
    const part = new ArrayBuffer(message.length);
    new Uint8Array(part).set(message);
    return this.#loans.lend(part, this.lastTag, this.#native.here());
  }

  /** At a copy: it stays in the ring. */
  look<T>(use: (message: Uint8Array) => T): T | undefined {
    this.#tell();
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

  count(): number {
    const { countLow, countHigh } = this.#native.here();
    return countHigh * 2 ** 32 + countLow;
  }

  close(): void {
    this.#loans.endAll();
  }

  /** Whether what is taken now lies behind something that is held. */
  #holds(): boolean {
    return this.#keeps && this.#loans.count > 0;
  }

  #tell(): void {
    const error = this.#untold;
    this.#untold = undefined;
    if (error !== undefined) throw error;
  }

  #next(holds: boolean): Buffer | undefined {
    this.#tell();
    const taken = this.#native.tryRead(room(), at(), holds);
    return typeof taken === 'number' ? place(taken) : taken;
  }
}
