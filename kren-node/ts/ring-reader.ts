// Reads the ring from JavaScript: docs/spec/ring.md and wake.md, by the same rules (R1 to R8, W1 to W5) as the
// Rust code. A message never leaves compiled JavaScript; what is rare is left to the native layer.
//
// - P1: every word that the other side stores is loaded with Atomics, so that no compiler moves what depends on it
//   to before it, nor that load to before a store of ours.
// - P2: where processors keep the order of stores, and W3 asks for no fence, our own words are stored plainly. A
//   compiler keeps their order as well: to it the payload's index may be the position's, since both are variables
//   into one buffer.
// - P3: a position is stored with 64 bits when its high half changes, else its low half alone, so that nobody
//   ever sees halves that do not belong together.
// - P4: what stands in the ring is loaded once, checked, then used.

import { krenError } from './errors';
import { Loans } from './loans';
import { native as functions, type NativeReader, type Outline, type Place } from './native';
import { COUNT, isBetterNative, isOrdered, POSITION, storeBoth, TICKET } from './outline';
import { Pace } from './pace';
import { copyOut } from './pool';
import type { Held, Loan, OnReady, ReadingSide, Timeout } from './sides';

/** Bytes of a record's header. */
const HEADER = 8;
/** An ArrayBuffer over the ring costs some microseconds; shorter messages are copied in less. */
const IN_PLACE_FROM = 16 * 1024;
/** Bytes of a cache line. */
const LINE = 64;
/**
 * After as many looks, some 300 ns, the other side is far or slow, and the second line of the record that is waited for
 * is looked at too: else it would be asked for only when the first one has come, which takes as long again. Earlier
 * it would be taken away from a writer that is about to fill it.
 */
const NEAR = 32;
/** Looks at the ring before the native layer is asked to wait: some microseconds. */
const POLLS = 400;

export class RingReader implements ReadingSide {
  lastTag = 0;
  /** Keeps the compiler from leaving out loads whose value nobody needs. */
  seen = 0;

  readonly #native: NativeReader;
  readonly #channel: string;
  readonly #buffer: ArrayBuffer;
  readonly #words: Int32Array;
  readonly #isPlain: boolean;
  readonly #spins: boolean;
  readonly #pace: Pace;
  readonly #loans: Loans;

  /** Indices into the words: own position and count, the writer's ticket. */
  readonly #position: number;
  readonly #count: number;
  readonly #ticket: number;
  /** Offsets into the buffer: where headers end, and how far back the next lap begins. */
  readonly #end: number;
  readonly #lap: number;
  readonly #alignment: number;
  readonly #longest: number;

  /** Offset of the header at the cursor. */
  #at: number;
  /** The halves of the cursor, and of the number of messages before it. */
  #low: number;
  #high: number;
  #countLow: number;
  #countHigh: number;
  /** The last commit word that was checked, and what it means. */
  #known = 1;
  #length = 0;
  #stride: number;

  constructor(native: NativeReader, outline: Outline) {
    this.#native = native;
    this.#channel = native.name;
    this.#buffer = outline.buffer;
    this.#words = new Int32Array(outline.buffer);
    this.#isPlain = isOrdered(outline);
    this.#spins = outline.spins;
    this.#position = (outline.ownPage + POSITION) >> 2;
    this.#count = (outline.ownPage + COUNT) >> 2;
    this.#ticket = (outline.peerPage + TICKET) >> 2;
    this.#alignment = native.alignment;
    this.#longest = Math.min(native.capacity - HEADER, 0xffff_fffe);
    const first = outline.data + native.alignment - HEADER;
    this.#end = first + outline.dataLength;
    this.#lap = outline.dataLength;
    this.#low = outline.low | 0;
    this.#high = outline.high | 0;
    this.#countLow = outline.countLow | 0;
    this.#countHigh = outline.countHigh | 0;
    this.#at =
      first + Number((BigInt(outline.high) * 0x1_0000_0000n + BigInt(outline.low)) % BigInt(this.#lap));
    this.#stride = native.alignment;
    this.#pace = new Pace(this.#words, outline.ownPage, this.#low);
    this.#loans = new Loans(native.name, (place) => this.#store(place));
  }

  take(): Buffer | undefined {
    const at = this.#at;
    const word = Atomics.load(this.#words, at >> 2);
    if (word !== this.#known) {
      if (word === 0) return undefined;
      this.#learn(word);
    }
    const message = copyOut(this.#buffer, this.#words, at + HEADER, this.#length);
    this.lastTag = (this.#words[(at >> 2) + 1] as number) >>> 0;
    this.#step(at);
    this.#release();
    return message;
  }

  takeHeld(): Held | undefined {
    const at = this.#at;
    const word = Atomics.load(this.#words, at >> 2);
    if (word !== this.#known) {
      if (word === 0) return undefined;
      this.#learn(word);
    }
    const message = copyOut(this.#buffer, this.#words, at + HEADER, this.#length);
    this.lastTag = (this.#words[(at >> 2) + 1] as number) >>> 0;
    this.#step(at);
    return { message, release: this.#loans.hold(this.#here()) };
  }

  takeMany(max: number): Buffer[] {
    const messages: Buffer[] = [];
    // Given back together, but for a part of the ring at most: the writer is to go on meanwhile.
    const most = this.#lap >> 2;
    let taken = 0;
    try {
      while (messages.length < max) {
        const at = this.#at;
        const word = Atomics.load(this.#words, at >> 2);
        if (word !== this.#known) {
          if (word === 0) break;
          this.#learn(word);
        }
        messages.push(copyOut(this.#buffer, this.#words, at + HEADER, this.#length));
        this.lastTag = (this.#words[(at >> 2) + 1] as number) >>> 0;
        this.#step(at);
        taken += this.#stride;
        if (taken > most) {
          this.#release();
          taken = 0;
        }
      }
    } catch (error) {
      // What was taken is handed out; whatever is wrong is still there for the next call.
      if (messages.length === 0) throw error;
    }
    if (taken > 0) this.#release();
    return messages;
  }

  takeInto(target: Uint8Array): number | undefined {
    const at = this.#at;
    const word = Atomics.load(this.#words, at >> 2);
    if (word !== this.#known) {
      if (word === 0) return undefined;
      this.#learn(word);
    }
    const length = this.#length;
    if (length > target.byteLength) return length;
    if (isBetterNative(length, at + HEADER, target.byteOffset)) {
      this.#native.copyOut(target, at + HEADER, length);
    } else {
      target.set(new Uint8Array(this.#buffer, at + HEADER, length));
    }
    this.lastTag = (this.#words[(at >> 2) + 1] as number) >>> 0;
    this.#step(at);
    this.#release();
    return length;
  }

  borrow(): Loan | undefined {
    const at = this.#at;
    const word = Atomics.load(this.#words, at >> 2);
    if (word !== this.#known) {
      if (word === 0) return undefined;
      this.#learn(word);
    }
    const tag = (this.#words[(at >> 2) + 1] as number) >>> 0;
    const part = this.#part(at + HEADER, this.#length);
    this.lastTag = tag;
    this.#step(at);
    return this.#loans.lend(part, tag, this.#here());
  }

  look<T>(use: (message: Uint8Array) => T): T | undefined {
    const at = this.#at;
    const word = Atomics.load(this.#words, at >> 2);
    if (word !== this.#known) {
      if (word === 0) return undefined;
      this.#learn(word);
    }
    return use(new Uint8Array(this.#buffer, at + HEADER, this.#length));
  }

  skip(): void {
    const at = this.#at;
    this.lastTag = (this.#words[(at >> 2) + 1] as number) >>> 0;
    this.#step(at);
    this.#release();
  }

  wait(timeout: Timeout): void {
    if (this.#spins && timeout !== 0) {
      this.#pace.foundEmpty(this.#low, this.#stride);
      const words = this.#words;
      const at = this.#at >> 2;
      // A message as long as the last one ends on the next line: see NEAR.
      const second = (at & 15) * 4 + HEADER + this.#length > LINE ? at + LINE / 4 : at;
      let seen = 0;
      for (let polls = 0; polls < POLLS; polls += 1) {
        if (Atomics.load(words, at) !== 0) return;
        if (polls >= NEAR) seen |= words[second] as number;
      }
      this.seen = seen;
    }
    this.#sync();
    this.#native.wait(timeout);
  }

  arm(length: number, onReady: OnReady): void {
    this.#sync();
    this.#native.arm(length, onReady);
  }

  follow(): number {
    this.#sync();
    return this.#native.follow();
  }

  available(): number {
    this.#sync();
    return this.#native.available();
  }

  held(): number {
    this.#sync();
    return this.#native.held();
  }

  count(): number {
    return (this.#countHigh >>> 0) * 2 ** 32 + (this.#countLow >>> 0);
  }

  close(): void {
    this.#loans.endAll();
    functions.detach(this.#buffer);
  }

  /** The `length` bytes at `at`, in an ArrayBuffer of their own. */
  #part(at: number, length: number): ArrayBuffer {
    if (length >= IN_PLACE_FROM) return this.#native.lend(at, length);
    const copy = new ArrayBuffer(length);
    new Uint8Array(copy).set(new Uint8Array(this.#buffer, at, length));
    return copy;
  }

  /** Steps over the record whose header lies at `at`. */
  #step(at: number): void {
    const stride = this.#stride;
    const next = at + stride;
    this.#at = next < this.#end ? next : next - this.#lap;
    const low = (this.#low + stride) | 0;
    this.#low = low;
    // The low half has come full circle.
    if (low >>> 0 < stride) this.#high += 1;
    const count = (this.#countLow + 1) | 0;
    this.#countLow = count;
    if (count === 0) this.#countHigh += 1;
  }

  #here(): Place {
    return {
      low: this.#low,
      high: this.#high,
      countLow: this.#countLow,
      countHigh: this.#countHigh,
    };
  }

  /** Gives everything before the cursor back, unless something before it is on loan. */
  #release(): void {
    if (this.#loans.count > 0) this.#loans.follow(this.#here());
    else this.#publish(this.#low, this.#high, this.#countLow, this.#countHigh);
  }

  #store({ low, high, countLow, countHigh }: Place): void {
    this.#publish(low, high, countLow, countHigh);
  }

  /** Stores the position (R8), then the count, and wakes the writer if it sleeps for it. */
  #publish(low: number, high: number, countLow: number, countHigh: number): void {
    const words = this.#words;
    if (words[this.#position + 1] !== high) storeBoth(this.#buffer, this.#position, low, high);
    else if (this.#isPlain) words[this.#position] = low;
    else Atomics.store(words, this.#position, low);
    // A figure for those who look: it may come late (R10), but in one piece.
    if (words[this.#count + 1] !== countHigh) storeBoth(this.#buffer, this.#count, countLow, countHigh);
    else words[this.#count] = countLow;
    if ((Atomics.load(words, this.#ticket) & 1) === 1) this.#native.answer();
  }

  /** Checks a commit word (R2) and remembers what it means. */
  #learn(word: number): void {
    const length = (word >>> 0) - 1;
    if (length > this.#longest) this.#damaged();
    this.#known = word;
    this.#length = length;
    const alignment = this.#alignment;
    this.#stride = (length + HEADER + alignment - 1) & -alignment;
  }

  #damaged(): never {
    this.#sync();
    this.#native.check();
    throw krenError(
      'KREN_CORRUPT',
      `channel '${this.#channel}' is corrupt: a record was longer than the ring allows, and changed since`,
      this.#channel,
    );
  }

  /** Tells the native layer how far the ring has been read. */
  #sync(): void {
    this.#native.standAt(this.#low >>> 0, this.#high, this.#countLow >>> 0, this.#countHigh);
  }
}
