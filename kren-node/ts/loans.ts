// Messages that the user looks at where they lie, several at a time, given back in any order.

import { type NativeReader, native as functions } from './native';
import type { Loan } from './sides';

/** An ArrayBuffer over the ring costs some microseconds; smaller messages are copied in less. */
const IN_PLACE_FROM = 16 * 1024;

/** The halves of a position, and of the number of messages before it. */
export interface Place {
  readonly low: number;
  readonly high: number;
  readonly countLow: number;
  readonly countHigh: number;
}

interface Entry {
  /** Behind its record, and behind the released records that follow it. */
  behind: Place;
  isOver: boolean;
}

/** Gives everything before a place back. */
type Store = (place: Place) => void;

/** Loans that nobody can reach any more end by themselves. Held: what to end; watched: the memory that it lends. */
const forgotten = new FinalizationRegistry<() => void>((end) => end());

export class Loans {
  /** Records that are held, and runs of released ones behind a held one. */
  count = 0;
  readonly #native: NativeReader;
  readonly #entries: Entry[] = [];
  /** The memory on loan. Weakly: a loan that is forgotten is to be found out. */
  readonly #parts = new Map<Entry, WeakRef<ArrayBuffer>>();

  constructor(native: NativeReader) {
    this.#native = native;
  }

  /** The `length` bytes of the ring `buffer` that lie at `at`, in an ArrayBuffer of their own. */
  lend(buffer: ArrayBuffer, at: number, length: number): ArrayBuffer {
    if (length >= IN_PLACE_FROM) return this.#native.lend(at, length);
    const copy = new ArrayBuffer(length);
    new Uint8Array(copy).set(new Uint8Array(buffer, at, length));
    return copy;
  }

  /** Enters what `lend` gave; its record ends at `behind`. */
  enter(part: ArrayBuffer, tag: number, behind: Place, store: Store): Loan {
    const entry: Entry = { behind, isOver: false };
    this.#entries.push(entry);
    this.count += 1;
    this.#parts.set(entry, new WeakRef(part));
    const end = (): void => this.#end(entry, store);
    forgotten.register(part, end, entry);
    return { bytes: Buffer.from(part), tag, end };
  }

  /** A record that ends at `behind` was released, behind what is held. */
  follow(behind: Place): void {
    const last = this.#entries[this.count - 1] as Entry;
    if (last.isOver) {
      last.behind = behind;
    } else {
      this.#entries.push({ behind, isOver: true });
      this.count += 1;
    }
  }

  /** Takes all memory back. The messages stay in the ring. */
  endAll(): void {
    for (const entry of this.#parts.keys()) this.#takeBack(entry);
  }

  #end(entry: Entry, store: Store): void {
    if (!this.#parts.has(entry)) return;
    this.#takeBack(entry);
    entry.isOver = true;
    let over = 0;
    while (this.#entries[over]?.isOver) over += 1;
    if (over === 0) return;
    const { behind } = this.#entries[over - 1] as Entry;
    this.#entries.splice(0, over);
    this.count -= over;
    store(behind);
  }

  #takeBack(entry: Entry): void {
    const part = this.#parts.get(entry)?.deref();
    this.#parts.delete(entry);
    forgotten.unregister(entry);
    if (part !== undefined) functions.detach(part);
  }
}
