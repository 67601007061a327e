import { krenError } from './errors';
import type { Loan } from './sides';
import './dispose';

/**
 * A message that is looked at where it lies, from {@link Reader.borrow} and {@link Reader.lend}.
 *
 * It is given back by `release()`, by `using`, or when the program has let go of it and of its bytes. **Nothing may work
 * on its bytes then any more**: what still runs in the background (a `socket.write`, zlib, a file being written) would go on
 * with whatever the writer puts there next, or end the process. So release when that work is done, or give it a
 * {@link copy}:
 *
 * ```js
 * const borrowed = reader.borrow();
 * socket.write(borrowed.data, () => borrowed.release());    // not before it was sent
 * // or
 * { using borrowed = reader.borrow(); socket.write(borrowed.copy()); }
 * ```
 */
export class Borrowed {
  /**
   * The message. It is the ring itself, which a reader may not change: **storing into it ends the process**. Once
   * released it is detached: its length is 0, whoever still holds it. It cannot be transferred to another thread.
   */
  readonly data: Buffer;
  /** The tag it was written with; 0 unless the writer chose one. */
  readonly tag: number;
  readonly #loan: Loan;
  readonly #length: number;

  /** @internal */
  constructor(loan: Loan) {
    this.#loan = loan;
    this.data = loan.bytes;
    this.tag = loan.tag;
    this.#length = loan.bytes.length;
    if (loan.about !== undefined) Object.assign(this, loan.about);
  }

  /**
   * The message in memory of its own, which stays when this one is released: for work that goes on in the background.
   *
   * @throws {KrenError} `KREN_CLOSED` when it was released already, or its reader closed
   */
  copy(): Buffer {
    if (this.data.length !== this.#length) {
      const { channel } = this.#loan;
      throw krenError(
        'KREN_CLOSED',
        `channel '${channel}': this borrowed message of ${this.#length} bytes was released already; copy it before`,
        channel,
      );
    }
    const copy = Buffer.allocUnsafeSlow(this.#length);
    copy.set(this.data);
    return copy;
  }

  /**
   * Gives the message's bytes back to the writer. A second time it does nothing. Work on them must be done by then: see
   * above.
   */
  release(): void {
    this.#loan.end();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
