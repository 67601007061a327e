// Keeps a stream of small messages out of lock-step, as kren-core/src/pace.rs, which has the reasons.

import { STREAMING } from './outline';

/** Records between two empty moments from which on this is a stream. */
const STREAM = 4;
/** Turns of a loop that takes some nanoseconds each: the first lead of a stream, about a microsecond, and the last. */
const LEAD_MIN = 130;
const LEAD_MAX = 1300;
/** Empty moments between two looks for a stream, at first and at last. */
const PROBE_MIN = 32;
const PROBE_MAX = 2 ** 18;

export class Pace {
  readonly #words: Int32Array;
  readonly #streaming: number;
  /** The low half of the cursor when the ring was last found empty. */
  #emptyAt: number;
  #isStreaming = false;
  #lead = LEAD_MIN;
  /** Empty moments until the next probe, and from there to the one after it. */
  #countdown = PROBE_MIN;
  #interval = PROBE_MIN;

  /** For a reader whose own page is at `page` in `words`, and that starts at the cursor of which `low` is the low half. */
  constructor(words: Int32Array, page: number, low: number) {
    this.#words = words;
    this.#streaming = (page + STREAMING) >> 2;
    this.#emptyAt = low;
  }

  /**
   * The reader has found the ring empty at the cursor of which `low` is the low half, and is going to wait; `stride`
   * is that of the last record. In a stream this takes some microseconds.
   */
  foundEmpty(low: number, stride: number): void {
    // The same empty moment, looked at again.
    if (low === this.#emptyAt) return;
    const isMany = (low - this.#emptyAt) >>> 0 >= STREAM * stride;
    this.#emptyAt = low;
    this.#countdown -= 1;
    if (isMany || this.#isStreaming || this.#countdown === 0) this.#giveLead(isMany);
  }

  #giveLead(isMany: boolean): void {
    if (isMany !== this.#isStreaming) {
      this.#isStreaming = isMany;
      // A hint to the writer.
      Atomics.store(this.#words, this.#streaming, isMany ? 1 : 0);
      this.#lead = LEAD_MIN;
      this.#interval = PROBE_MIN;
    } else if (isMany) {
      this.#lead = Math.min(this.#lead * 2, LEAD_MAX);
    }
    if (this.#countdown === 0 && !isMany) {
      this.#interval = Math.min(this.#interval * 2, PROBE_MAX);
      lead(this.#words, this.#streaming, LEAD_MIN);
    } else if (isMany) {
      lead(this.#words, this.#streaming, this.#lead);
    }
    this.#countdown = this.#interval;
  }
}

/** Lets the other side get ahead, without a look at what it stores; `own` is the index of a word of our own. */
export function lead(words: Int32Array, own: number, turns: number = LEAD_MIN): void {
  for (let turn = 0; turn < turns; turn += 1) Atomics.load(words, own);
}
