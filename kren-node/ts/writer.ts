import {
  checkCapacity,
  checkFlag,
  checkName,
  checkOptions,
  checkStrategy,
  checkTimeout,
  checkWhole,
  type Strategy,
  type TimeoutOptions,
} from './arguments';
import { type NativeWriter, native, type PeerState } from './native';
import { closedWritingSide, openWritingSide } from './open';
import { Reserved } from './reserved';
import { checkSchema, type Schema } from './schema';
import type { WritingSide } from './sides';
import { WritingEnd } from './writing';

/** How to create a channel. */
export interface WriterOptions {
  /** Permission bits of the channel. Default `0o600`: the owner alone. */
  mode?: number | undefined;
  /** Alignment of every message in the ring, in bytes: a power of two from 8 (default) to 4096. */
  alignment?: number | undefined;
  /** Discards what an earlier writer left under the name. Default: it is delivered first. */
  fresh?: boolean | undefined;
  /** Accepts a channel that belongs to another user of this machine. Default: refused. */
  anyOwner?: boolean | undefined;
  /** How blocking calls wait. Default: `adaptive`. */
  strategy?: Strategy | undefined;
  /** Maps every page now, so that the first lap of the ring takes no page faults. Default: false. */
  prefault?: boolean | undefined;
  /**
   * On Windows, makes the channel one of the whole machine (`Global\`) instead of the session's own (`Local\`),
   * for services and other sessions. Both sides must say so, and making one takes a privilege that services
   * and administrators have. On other systems channels always
   * are. Default: false.
   */
  machineWide?: boolean | undefined;
  /** What the messages are, for readers that say so too, and for tools. Default: nothing. */
  schema?: Schema | undefined;
}

/** How to close a writer. */
export interface CloseOptions {
  /** What is undelivered may go. Default: it stays for the next reader. */
  discard?: boolean | undefined;
}

/**
 * Closes `writer` in such a way that its reader does not take it for the end: what was written is delivered, then
 * `KREN_PEER_DIED`.
 *
 * @internal
 */
export let breakOff: (writer: RingWritingEnd) => void;

/** What a {@link Writer}, a {@link Publisher} and a {@link Sender} can do. */
export abstract class RingWritingEnd extends WritingEnd {
  /** Bytes of the ring: what was asked for, rounded up to the page size. */
  readonly capacity: number;
  /** Alignment of messages in the ring, in bytes. */
  readonly alignment: number;
  /** What the channel's creator says of its messages: a text, cut off after 512 bytes. */
  readonly schema: string | undefined;
  /** The longest message, in bytes, that the channel can ever carry: capacity less 8. */
  readonly maxMessageLength: number;

  readonly #native: NativeWriter;
  #side: WritingSide;

  /** @internal */
  constructor(native: NativeWriter) {
    const side = openWritingSide(native);
    super(native, 'writer', side, native.maxMessageLength);
    this.#native = native;
    this.#side = side;
    this.capacity = native.capacity;
    this.alignment = native.alignment;
    this.schema = native.schema || undefined;
    this.maxMessageLength = native.maxMessageLength;
  }

  static {
    breakOff = (writer) => writer.end(() => writer.#native.breakOff());
  }

  /**
   * Room for a message of `length` bytes, to be built in the ring and then committed; waits for it as {@link write}
   * does. While it is open nothing else can be written. **Commit it only when nothing fills its bytes any more**: what
   * goes on in the background, say `fs.read`, would alter a committed message; {@link Reserved} shows the right form.
   *
   * ```js
   * {
   *   using reserved = writer.reserve(1024);
   *   reserved.data.writeUInt32LE(7);
   *   reserved.commit(4);
   * } // given up here if it was not committed
   * ```
   *
   * @throws {KrenError} as {@link write}; `KREN_BUSY` while another one is open
   * @throws {RangeError} when `length` is no whole number, 0 or more
   */
  reserve(length: number, options?: TimeoutOptions): Reserved {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new RangeError(`length must be a whole number, 0 or more, not ${length}`);
    }
    const timeout = checkTimeout(checkOptions(options).timeout, this.name);
    this.refuseToBlock('reserve()');
    for (;;) {
      const room = this.#side.reserve(length);
      if (room !== undefined) {
        this.reserved = new Reserved(room, this.name, () => {
          this.reserved = undefined;
        });
        return this.reserved;
      }
      this.#side.wait(length, timeout);
    }
  }

  /**
   * Closes the channel: the reader gets what was written, then the end. Calls of `writeAsync` that wait are
   * rejected with `KREN_CLOSED`. Closing twice is fine. The last side to close a channel with nothing left to
   * deliver removes it. An endpoint that is not closed is closed when it is collected, or when its thread or the
   * process ends.
   *
   * With `discard`, what is undelivered may go: a reader that is attached still gets it, one that comes later finds no
   * channel, and the next writer starts anew. For a stream that is worth nothing once its writer has ended.
   *
   * @throws {KrenError} with `discard`, `KREN_PERMISSION_DENIED` when the channel is another user's, who alone may remove
   *   its name: then it is closed, and what is undelivered stays
   */
  override close(options?: CloseOptions): void {
    const discards = checkFlag(checkOptions(options).discard, 'discard') === true;
    this.end(() => (discards ? this.#native.closeDiscarding() : this.#native.close()));
  }

  /** @internal */
  protected override closedSide(): WritingSide {
    this.#side = closedWritingSide(this.#native);
    return this.#side;
  }
}

/**
 * The writing side of a channel. There is one writer per channel, in any process and language.
 *
 * What was written stays in the channel until a reader has had it, whatever becomes of the writer.
 */
export class Writer extends RingWritingEnd {
  readonly #native: NativeWriter;

  /**
   * Creates the channel `name` with room for `capacity` bytes of messages, or goes on with it where its last
   * writer is gone.
   *
   * `name` has 1 to 128 of the characters `a-z A-Z 0-9 . _ -`. Each message takes 8 bytes more than its length,
   * rounded up to the alignment. All memory is reserved here.
   *
   * @throws {KrenError} `KREN_WRITER_EXISTS`, `KREN_CAPACITY_MISMATCH`, `KREN_INVALID_NAME`,
   *   `KREN_INVALID_CAPACITY`, `KREN_INVALID_OPTION`, `KREN_OUT_OF_MEMORY`, `KREN_PERMISSION_DENIED`,
   *   `KREN_CORRUPT`, `KREN_VERSION_MISMATCH`, `KREN_IO`
   */
  constructor(name: string, capacity: number, options?: WriterOptions) {
    const made = native.openWriter(...writerArguments(name, capacity, options));
    super(made);
    this.#native = made;
  }

  /** How the other side stands: `never_attached`, `attached`, `closed` or `died`. */
  get readerState(): PeerState {
    return this.#native.peerState();
  }
}

/** What the native layer makes a channel or a broadcast with. @internal */
export function writerArguments(
  name: string,
  capacity: number,
  options: WriterOptions | undefined,
): Parameters<typeof native.openWriter> {
  checkName(name);
  checkCapacity(capacity, name);
  const { mode, alignment, fresh, anyOwner, strategy, prefault, machineWide, schema } = checkOptions(options);
  const said = checkSchema(schema, name);
  return [
    name,
    capacity,
    checkWhole(mode, 'mode', name),
    checkWhole(alignment, 'alignment', name),
    checkFlag(fresh, 'fresh'),
    checkFlag(anyOwner, 'anyOwner'),
    checkStrategy(strategy, name),
    checkFlag(prefault, 'prefault'),
    checkFlag(machineWide, 'machineWide'),
    said?.name,
    said?.text,
  ];
}
