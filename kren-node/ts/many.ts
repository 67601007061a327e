// Reads what many write, or one to many, through the native layer: the messages of an inbox, the work of a queue. Each is
// copied; what is not to be released yet the native layer keeps in its ring, under a number.

import type { NativeIntake } from './native';
import { LoanBook } from './loans';
import { at, place, room } from './pool';
import type { Held, Loan, OnReady, TakingSide, Timeout } from './sides';

/** What the native layer says of a message beside its bytes: see `Notes` in src/intake.rs, and the number it is held under. */
export type Notes = Uint32Array;

const notes: Notes = new Uint32Array(6);
const TAG = 0;
const NUMBER = 5;

/** Flags of `NativeIntake.take`. */
const HOLDS = 1;
const WHOLE = 2;

/** A message with what is known of it. */
export type Told<A> = Buffer & A & { readonly tag: number };

interface Taken<M> {
  readonly message: M;
  readonly tag: number;
  readonly about: object;
  /** 0 where it is released already. */
  readonly number: number;
}

export class ManySide<A extends object> implements TakingSide<Told<A>> {
  lastTag = 0;
  readonly #native: NativeIntake;
  readonly #about: (notes: Notes) => A;
  /** Whether what is read is held until something else is asked for. */
  readonly #keeps: boolean;
  readonly #loans: LoanBook;
  /** The numbers of what was read and not released. */
  readonly #current: number[] = [];
  /** The next message, where it was looked at already. */
  #seen: Taken<Told<A>> | undefined;

  /** `about` makes of the notes what the user is to know of a message; `keeps`: work is done when the next is asked for. */
  constructor(native: NativeIntake, about: (notes: Notes) => A, keeps: boolean) {
    this.#native = native;
    this.#about = about;
    this.#keeps = keeps;
    this.#loans = new LoanBook(native.name);
  }

  take(): Told<A> | undefined {
    this.done();
    return this.#next();
  }

  takeHeld(): Held | undefined {
    const taken = this.#fetch(HOLDS);
    return taken && { message: taken.message, release: () => this.#native.release(taken.number) };
  }

  takeMany(max: number): Told<A>[] {
    this.done();
    const messages: Told<A>[] = [];
    while (messages.length < max) {
      const message = this.#next();
      if (message === undefined) break;
      messages.push(message);
    }
    return messages;
  }

  takeInto(target: Uint8Array): number | undefined {
    this.done();
    if (this.#seen === undefined) {
      const taken = this.#native.take(target, 0, WHOLE | HOLDS, notes);
      if (taken === undefined) return undefined;
      if (typeof taken === 'number') {
        this.#settle({ tag: notes[TAG] as number, number: notes[NUMBER] as number });
        return taken;
      }
      this.#seen = this.#told(taken);
    }
    const { message } = this.#seen;
    if (message.length > target.byteLength) return message.length;
    target.set(message);
    this.skip();
    return message.length;
  }

  /** A copy, and held in its ring all the same. */
  borrow(): Loan | undefined {
    const taken = this.#fetch(HOLDS);
    if (taken === undefined) return undefined;
    const part = new ArrayBuffer(taken.message.length);
    new Uint8Array(part).set(taken.message);
    return this.#loans.lend(part, taken.tag, taken.about, () => this.#native.release(taken.number));
  }

  look<T>(use: (message: Uint8Array) => T): T | undefined {
    this.#seen ??= this.#fetch(HOLDS);
    return this.#seen && use(this.#seen.message);
  }

  skip(): void {
    this.done();
    this.#next();
  }

  /** What was read is released. */
  done(): void {
    if (this.#current.length === 0) return;
    for (const number of this.#current.splice(0)) this.#native.release(number);
  }

  wait(timeout: Timeout): void {
    this.#native.wait(timeout);
  }

  arm(what: number, onReady: OnReady): void {
    this.#native.arm(what, onReady);
  }

  close(): void {
    this.#loans.endAll();
  }

  #next(): Told<A> | undefined {
    const taken = this.#fetch(this.#keeps ? HOLDS : 0);
    if (taken === undefined) return undefined;
    this.#settle(taken);
    return taken.message;
  }

  /** It is handed out. */
  #settle({ tag, number }: { tag: number; number: number }): void {
    this.lastTag = tag;
    if (this.#keeps) this.#current.push(number);
    else if (number !== 0) this.#native.release(number);
  }

  #fetch(flags: number): Taken<Told<A>> | undefined {
    const seen = this.#seen;
    if (seen !== undefined) {
      this.#seen = undefined;
      return seen;
    }
    const taken = this.#native.take(room(), at(), flags, notes);
    if (taken === undefined) return undefined;
    return this.#told(typeof taken === 'number' ? place(taken) : taken);
  }

  /** The message that the notes are of. */
  #told(bytes: Buffer): Taken<Told<A>> {
    const about = this.#about(notes);
    const tag = notes[TAG] as number;
    return { message: Object.assign(bytes, about, { tag }), tag, about, number: notes[NUMBER] as number };
  }
}
