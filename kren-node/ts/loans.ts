// Messages that the writer does not get back yet: lent to the user, or copied out but not handed on. Several at a
// time, given back in any order.

import { markAsLent } from './lent';
import { native as functions, type Place } from './native';
import type { Loan } from './sides';

interface Entry {
  /** Behind its record, and behind the released records that follow it. */
  behind: Place;
  isOver: boolean;
  /** The memory on loan, if there is. */
  readonly memory: Memory | undefined;
}

/** Gives everything before a place back. */
type Store = (place: Place) => void;

/** Loans that nobody can reach any more end by themselves. Held: what to end; watched: the memory that it lends. */
const forgotten = new FinalizationRegistry<() => void>((end) => end());

const soon = Promise.resolve();

/**
 * The memory of a loan, known weakly, so that a loan that is forgotten is found out.
 *
 * Only once the program comes to the end of what it is at, though: a WeakRef keeps what it refers to until then, so that
 * a loop that lends and gives back, and never ends, would keep all that it ever was lent. What is given back before
 * does not pay for being watched.
 */
class Memory {
  static readonly #young = new Set<Memory>();
  static #ages = false;
  readonly #end: () => void;
  #strong: ArrayBuffer | undefined;
  #weak: WeakRef<ArrayBuffer> | undefined;

  /** `end` is called when it was forgotten. */
  constructor(part: ArrayBuffer, end: () => void) {
    this.#strong = part;
    this.#end = end;
    Memory.#young.add(this);
    if (Memory.#ages) return;
    Memory.#ages = true;
    // queueMicrotask() takes several times as long.
    soon.then(Memory.#age);
  }

  takeBack(): void {
    if (this.#weak !== undefined) forgotten.unregister(this);
    const part = this.#strong ?? this.#weak?.deref();
    if (part !== undefined) functions.detach(part);
    this.#strong = undefined;
    Memory.#young.delete(this);
  }

  static #age(): void {
    Memory.#ages = false;
    for (const memory of Memory.#young) {
      const part = memory.#strong as ArrayBuffer;
      memory.#weak = new WeakRef(part);
      memory.#strong = undefined;
      forgotten.register(part, memory.#end, memory);
    }
    Memory.#young.clear();
  }
}

export class Loans {
  /** Records that are held, and runs of released ones behind a held one. */
  count = 0;
  readonly #channel: string;
  readonly #store: Store;
  readonly #entries: Entry[] = [];
  #isClosed = false;

  constructor(channel: string, store: Store) {
    this.#channel = channel;
    this.#store = store;
  }

  /** Lends `part`, the message of a record that ends at `behind`, or a copy of it. */
  lend(part: ArrayBuffer, tag: number, behind: Place): Loan {
    // Moved to another thread it could not be taken back.
    markAsLent(part);
    const end = (): void => this.#end(entry);
    const entry = this.#enter(behind, new Memory(part, end));
    return { bytes: Buffer.from(part), tag, channel: this.#channel, end };
  }

  /** Keeps the record that ends at `behind` from the writer, until the function that it gives is called. */
  hold(behind: Place): () => void {
    const entry = this.#enter(behind, undefined);
    return () => this.#end(entry);
  }

  /** A record that ends at `behind` was released, behind what is held. */
  follow(behind: Place): void {
    const last = this.#entries[this.count - 1] as Entry;
    if (last.isOver) {
      last.behind = behind;
    } else {
      this.#enter(behind, undefined).isOver = true;
    }
  }

  /** Takes all memory back, for good. The messages stay in the ring. */
  endAll(): void {
    this.#isClosed = true;
    for (const entry of this.#entries) entry.memory?.takeBack();
  }

  #enter(behind: Place, memory: Memory | undefined): Entry {
    const entry: Entry = { behind, isOver: false, memory };
    this.#entries.push(entry);
    this.count += 1;
    return entry;
  }

  #end(entry: Entry): void {
    if (entry.isOver || this.#isClosed) return;
    entry.memory?.takeBack();
    entry.isOver = true;
    let over = 0;
    while (this.#entries[over]?.isOver) over += 1;
    if (over === 0) return;
    const { behind } = this.#entries[over - 1] as Entry;
    this.#entries.splice(0, over);
    this.count -= over;
    this.#store(behind);
  }
}

/** Loans of copies, each of which is given back by itself. */
export class LoanBook {
  readonly #channel: string;
  readonly #open = new Set<Memory>();

  constructor(channel: string) {
    this.#channel = channel;
  }

  /** Lends `part`; `release` is called once, when it is given back. */
  lend(part: ArrayBuffer, tag: number, about: object, release: () => void): Loan {
    markAsLent(part);
    const end = (): void => {
      if (!this.#open.delete(memory)) return;
      memory.takeBack();
      release();
    };
    const memory = new Memory(part, end);
    this.#open.add(memory);
    return { bytes: Buffer.from(part), tag, channel: this.#channel, about, end };
  }

  /** Takes all memory back, for good; nothing is released. */
  endAll(): void {
    for (const memory of this.#open) memory.takeBack();
    this.#open.clear();
  }
}
