import { krenError } from './errors';
import type { Room } from './sides';
import './dispose';

/**
 * Room in the ring to build a message in, from {@link Writer.reserve}.
 *
 * Nothing is seen of it before `commit()`. Left by `using` without that, it is given up. **Nothing may work on its bytes
 * any more then**: what still fills them in the background (an `fs.read`, zlib) would alter the message that was
 * committed, or a later one, or end the process. So commit when that work is done:
 *
 * ```js
 * using reserved = writer.reserve(size);
 * const { bytesRead } = await file.read(reserved.data);     // of node:fs/promises
 * reserved.commit(bytesRead);
 * ```
 */
export class Reserved {
  /**
   * The bytes to fill; what they hold at first means nothing. Afterwards they are detached: their length is 0, whoever
   * still holds them. They cannot be transferred to another thread.
   */
  readonly data: Buffer;
  readonly #room: Room;
  readonly #channel: string;
  readonly #onEnd: () => void;
  readonly #length: number;
  #isOver = false;

  /** @internal */
  constructor(room: Room, channel: string, onEnd: () => void) {
    this.#room = room;
    this.#channel = channel;
    this.#onEnd = onEnd;
    this.data = room.bytes;
    this.#length = room.bytes.length;
  }

  /**
   * Sends the first `length` bytes as one message; by default all. Never waits. What fills the bytes must be done by
   * then: see above.
   *
   * @throws {RangeError} when `length` is more than was reserved, or no whole number
   * @throws {TypeError} when the bytes were transferred elsewhere, so that others may still change them; nothing is sent
   * @throws {KrenError} `KREN_CLOSED` when it was committed or given up already, or its writer was closed
   */
  commit(length: number = this.#length, tag = 0): void {
    if (length >>> 0 !== length || length > this.#length) {
      throw new RangeError(`length must be a whole number from 0 to ${this.#length}, not ${length}`);
    }
    if (tag >>> 0 !== tag)
      throw new RangeError(`tag must be a whole number from 0 to 4294967295, not ${tag}`);
    if (this.#isOver) {
      throw krenError(
        'KREN_CLOSED',
        `channel '${this.#channel}': this room was committed or given up already; reserve another`,
        this.#channel,
      );
    }
    if (this.data.length !== this.#length) {
      this.abort();
      throw new TypeError(
        `channel '${this.#channel}': the ${this.#length} reserved bytes were transferred elsewhere, and nothing was ` +
          'sent; reserve again, and leave the memory where it is',
      );
    }
    this.#isOver = true;
    this.#onEnd();
    this.#room.commit(length, tag);
  }

  /** Gives the room up: the reader never sees anything of it. Does nothing after `commit()`. */
  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd();
    this.#room.abort();
  }

  [Symbol.dispose](): void {
    this.abort();
  }
}
