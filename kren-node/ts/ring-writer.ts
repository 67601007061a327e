// Writes to the ring from JavaScript; ring-reader.ts has the rules that both keep.

import { markAsLent } from './lent';
import { native as functions, type NativeWriter, type Outline } from './native';
import { COUNT, isOrdered, POSITION, storeBoth, TICKET } from './outline';
import { lead } from './pace';
import type { OnReady, Room, Timeout, WritingSide } from './sides';

/** Bytes of a record's header. */
const HEADER = 8;
/** Looks at the reader's position before the native layer is asked to wait: some microseconds. */
const POLLS = 400;
/** Shorter messages are built apart and copied, which costs less than an ArrayBuffer over the ring. */
const IN_PLACE_FROM = 16 * 1024;
/** Payloads from here on are copied by the native layer, which knows two ways; a call takes as long as some of their bytes. */
const NATIVE_FROM = 16 * 1024;

export class RingWriter implements WritingSide {
  readonly #native: NativeWriter;
  readonly #buffer: ArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #isPlain: boolean;
  readonly #spins: boolean;

  /** Indices into the words: own position and count, the reader's position, the reader's ticket. */
  readonly #position: number;
  readonly #count: number;
  readonly #released: number;
  /** Or, of a publisher, the epoch of its subscribers (B10). */
  readonly #ticket: number;
  readonly #isPublisher: boolean;
  /** The epoch up to which every announced sleep has been answered. */
  #answered = 0;
  /** Offsets into the buffer: where headers end, and how far back the next lap begins. */
  readonly #end: number;
  readonly #lap: number;
  readonly #capacity: number;
  readonly #longest: number;
  /** For strides: a header and what it takes to round up, and the mask to round with. */
  readonly #extra: number;
  readonly #mask: number;

  /** Offset of the next header. */
  #at: number;
  /** The halves of the position of the next record, and of the number of messages before it. */
  #low: number;
  #high: number;
  #countLow: number;
  #countHigh: number;
  /** Bytes of records that are known to fit (R4), and that are marked (R10). */
  #free = 0;
  /** The first header of what is staged, 0 when nothing is: its commit word is held back (R5). */
  #firstAt = 0;
  #firstWord = 0;

  constructor(native: NativeWriter, outline: Outline) {
    this.#native = native;
    this.#buffer = outline.buffer;
    this.#words = new Int32Array(outline.buffer);
    this.#bytes = new Uint8Array(outline.buffer);
    this.#isPlain = isOrdered(outline);
    this.#spins = outline.spins;
    this.#position = (outline.ownPage + POSITION) >> 2;
    this.#count = (outline.ownPage + COUNT) >> 2;
    this.#released = (outline.peerPage + POSITION) >> 2;
    this.#isPublisher = outline.epoch !== 0;
    this.#ticket = (this.#isPublisher ? outline.epoch : outline.peerPage + TICKET) >> 2;
    // Whoever sleeps already is looked at with the first message.
    if (this.#isPublisher) this.#answered = (Atomics.load(this.#words, this.#ticket) - 1) | 0;
    this.#capacity = native.capacity;
    this.#longest = native.maxMessageLength;
    this.#extra = HEADER + native.alignment - 1;
    this.#mask = -native.alignment;
    const first = outline.data + native.alignment - HEADER;
    this.#end = first + outline.dataLength;
    this.#lap = outline.dataLength;
    this.#low = outline.low | 0;
    this.#high = outline.high | 0;
    this.#countLow = outline.countLow | 0;
    this.#countHigh = outline.countHigh | 0;
    this.#at =
      first + Number((BigInt(outline.high) * 0x1_0000_0000n + BigInt(outline.low)) % BigInt(this.#lap));
  }

  put(data: Uint8Array, tag: number): boolean {
    if (this.#firstAt !== 0) {
      const isStaged = this.stage(data, tag);
      this.publish();
      return isStaged;
    }
    const length = data.length;
    const stride = (length + this.#extra) & this.#mask;
    if ((stride > this.#free || length > this.#longest) && !this.#look(length, stride)) return false;
    const words = this.#words;
    const at = this.#at;
    let next = at + stride;
    if (next >= this.#end) next -= this.#lap;
    // The terminator (R3) and the tag, then the payload: that is a call, so no compiler moves a store across it.
    words[next >> 2] = 0;
    words[(next >> 2) + 1] = 0;
    words[(at >> 2) + 1] = tag;
    if (length < NATIVE_FROM) this.#bytes.set(data, at + HEADER);
    else this.#native.store(at + HEADER, data);
    this.#at = next;
    this.#free -= stride;
    this.#step(stride);
    this.#commit(at, length + 1);
    return true;
  }

  stage(data: Uint8Array, tag: number): boolean {
    const length = data.length;
    const stride = (length + this.#extra) & this.#mask;
    if ((stride > this.#free || length > this.#longest) && !this.#look(length, stride)) return false;
    const words = this.#words;
    const at = this.#at;
    let next = at + stride;
    if (next >= this.#end) next -= this.#lap;
    words[next >> 2] = 0;
    words[(next >> 2) + 1] = 0;
    words[(at >> 2) + 1] = tag;
    if (length < NATIVE_FROM) this.#bytes.set(data, at + HEADER);
    else this.#native.store(at + HEADER, data);
    if (this.#firstAt === 0) {
      this.#firstAt = at;
      this.#firstWord = length + 1;
    } else {
      words[at >> 2] = length + 1;
    }
    this.#at = next;
    this.#free -= stride;
    this.#step(stride);
    return true;
  }

  gather(pieces: readonly Uint8Array[], length: number, tag: number): boolean {
    this.publish();
    const stride = (length + this.#extra) & this.#mask;
    if ((stride > this.#free || length > this.#longest) && !this.#look(length, stride)) return false;
    let at = this.#at + HEADER;
    // An iterator would take longer than a header does.
    for (let i = 0; i < pieces.length; i += 1) {
      const piece = pieces[i] as Uint8Array;
      this.#bytes.set(piece, at);
      at += piece.length;
    }
    this.#seal(this.#at, length, tag);
    return true;
  }

  publish(): void {
    const at = this.#firstAt;
    if (at === 0) return;
    this.#firstAt = 0;
    this.#commit(at, this.#firstWord);
  }

  reserve(length: number): Room | undefined {
    this.publish();
    const stride = (length + this.#extra) & this.#mask;
    if ((stride > this.#free || length > this.#longest) && !this.#look(length, stride)) return undefined;
    const at = this.#at;
    const isInPlace = length >= IN_PLACE_FROM;
    const part = isInPlace ? this.#native.lend(at + HEADER, length) : new ArrayBuffer(length);
    // In another thread it could not be taken back.
    markAsLent(part);
    const bytes = Buffer.from(part);
    return {
      bytes,
      commit: (used, tag) => {
        if (isInPlace) {
          functions.detach(part);
          this.#seal(at, used, tag);
        } else {
          // It fits: nothing else is written while a room is open.
          this.put(bytes.subarray(0, used), tag);
          functions.detach(part);
        }
      },
      abort: () => functions.detach(part),
    };
  }

  wait(length: number, timeout: Timeout): void {
    this.publish();
    if (this.#spins && timeout !== 0) {
      const stride = (length + this.#extra) & this.#mask;
      // Room for several messages costs the reader no more than room for one.
      lead(this.#words, this.#position);
      for (let polls = 0; polls < POLLS; polls += 1) {
        if (this.#look(length, stride)) return;
      }
    }
    this.#sync();
    this.#native.wait(length, timeout);
  }

  flush(timeout: Timeout): void {
    this.#sync();
    this.#native.flush(timeout);
  }

  drained(): boolean {
    this.#sync();
    return this.#native.drained();
  }

  arm(length: number, onReady: OnReady): void {
    this.#sync();
    this.#native.arm(length, onReady);
  }

  available(): number {
    this.#sync();
    return this.#native.available();
  }

  close(): void {
    this.publish();
    functions.detach(this.#buffer);
  }

  /** Makes a message of what lies behind the header at `at`, where the next record goes. */
  #seal(at: number, length: number, tag: number): void {
    const words = this.#words;
    const stride = (length + this.#extra) & this.#mask;
    let next = at + stride;
    if (next >= this.#end) next -= this.#lap;
    words[next >> 2] = 0;
    words[(next >> 2) + 1] = 0;
    words[(at >> 2) + 1] = tag;
    this.#at = next;
    this.#free -= stride;
    this.#step(stride);
    // A call, as in `put`.
    Atomics.load(words, this.#ticket);
    this.#commit(at, length + 1);
  }

  #step(stride: number): void {
    const low = (this.#low + stride) | 0;
    this.#low = low;
    // The low half has come full circle.
    if (low >>> 0 < stride) this.#high += 1;
    const count = (this.#countLow + 1) | 0;
    this.#countLow = count;
    if (count === 0) this.#countHigh += 1;
  }

  /** Stores the commit word of the header at `at`, then the position, and wakes the reader if it sleeps. */
  #commit(at: number, word: number): void {
    const words = this.#words;
    if (this.#isPlain) words[at >> 2] = word;
    else Atomics.store(words, at >> 2, word);
    // W3: behind the publication. The position may come later (R6); nobody waits for it.
    const ticket = Atomics.load(words, this.#ticket);
    if (words[this.#position + 1] !== this.#high)
      storeBoth(this.#buffer, this.#position, this.#low, this.#high);
    else if (this.#isPlain) words[this.#position] = this.#low;
    else Atomics.store(words, this.#position, this.#low);
    // A figure for those who look: it may come late (R10), but in one piece.
    if (words[this.#count + 1] !== this.#countHigh)
      storeBoth(this.#buffer, this.#count, this.#countLow, this.#countHigh);
    else words[this.#count] = this.#countLow;
    if (this.#isPublisher) {
      if (ticket !== this.#answered) this.#answerAll(ticket);
    } else if ((ticket & 1) === 1) this.#answer();
  }

  #answer(): void {
    this.#sync();
    this.#native.answer();
  }

  /** Wakes the subscribers that have announced their sleep up to `epoch`. */
  #answerAll(epoch: number): void {
    this.#sync();
    // Who sleeps for more than there is yet is looked at again.
    if (this.#native.answer() === true) this.#answered = epoch;
  }

  /**
   * Whether a message of `length` bytes, a record of `stride`, fits now. Looks at the reader's position anew; where
   * it fits, the native layer leaves the marks (R10).
   * Throws for one that never will, and where that position breaks the rules.
   */
  #look(length: number, stride: number): boolean {
    if (length <= this.#longest) {
      if (!this.#isPublisher && this.#isFull(stride)) return false;
      if (this.#firstAt === 0) {
        this.#sync();
        this.#free = this.#native.free(stride);
        return stride <= this.#free;
      }
      // The native layer knows nothing of what is staged.
      this.publish();
      return this.#look(length, stride);
    }
    this.publish();
    this.#sync();
    this.#native.wait(length, 0);
    return false;
  }

  /** Whether the reader's position leaves no room, for certain. A publisher has several, and the native layer looks. */
  #isFull(stride: number): boolean {
    const words = this.#words;
    const low = Atomics.load(words, this.#released);
    const high = Atomics.load(words, this.#released + 1);
    const used = (this.#low - low) >>> 0;
    // Halves of two moments are told by the high one; the rare case is left to a load of all 64 bits.
    return high === this.#high && used <= this.#capacity && stride > this.#capacity - used;
  }

  /** Tells the native layer how far the ring has been written. */
  #sync(): void {
    this.#native.standAt(this.#low >>> 0, this.#high, this.#countLow >>> 0, this.#countHigh);
  }
}
