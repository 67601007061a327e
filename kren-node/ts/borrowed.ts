import type { Loan } from './sides';
import './dispose';

/**
 * A message that is looked at where it lies, from {@link Reader.borrow}.
 *
 * It is given back by `release()`, by `using`, or when the program has let go of it and of its bytes.
 */
export class Borrowed {
  /**
   * The message. It is the ring itself, which a reader may not change: **storing into it ends the process**. Once
   * released it is detached: its length is 0, whoever still holds it.
   */
  readonly data: Buffer;
  /** The tag it was written with; 0 unless the writer chose one. */
  readonly tag: number;
  readonly #loan: Loan;

  /** @internal */
  constructor(loan: Loan) {
    this.#loan = loan;
    this.data = loan.bytes;
    this.tag = loan.tag;
  }

  /** Gives the message's bytes back to the writer. A second time it does nothing. */
  release(): void {
    this.#loan.end();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
