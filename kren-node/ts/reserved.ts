import { krenError } from './errors';
import type { Room } from './sides';
import './dispose';

/**
 * Room in the ring to build a message in, from {@link Writer.reserve}.
 *
 * Nothing is seen of it before `commit()`. Left by `using` without that, it is given up.
 */
export class Reserved {
  /**
   * The bytes to fill; what they hold at first means nothing. Afterwards they are detached: their length is 0, whoever
   * still holds them.
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
   * Sends the first `length` bytes as one message; by default all. Never waits.
   *
   * @throws {RangeError} when `length` is more than was reserved, or no whole number
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
