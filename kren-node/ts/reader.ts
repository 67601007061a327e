import {
  type AsyncOptions,
  checkFlag,
  checkName,
  checkOptions,
  checkStart,
  checkStrategy,
  checkTimeout,
  type Strategy,
  type TimeoutOptions,
} from './arguments';
import { isGone } from './errors';
import { NOT_YET, type Task } from './line';
import { type NativeReader, native, type PeerState } from './native';
import { closedReadingSide, openReadingSide } from './open';
import { ReadingEnd } from './reading';
import { checkSchema, type Schema } from './schema';
import type { ReadingSide } from './sides';

/** How to connect to a channel. */
export interface ReaderOptions {
  /** Accepts a channel that belongs to another user of this machine. Default: refused. */
  anyOwner?: boolean | undefined;
  /** How blocking calls wait. Default: `adaptive`. */
  strategy?: Strategy | undefined;
  /**
   * Connects to a channel with a live writer only: one whose writer has closed or died is waited for, within the timeout,
   * like one that does not exist. What an earlier writer left is delivered first, unless `start` says otherwise.
   * Default: false, as messages outlive their writer.
   */
  live?: boolean | undefined;
  /**
   * Where to start: at the `oldest` message that no reader has had (default), or with the `newest`, discarding what
   * was written before the call.
   */
  start?: 'oldest' | 'newest' | undefined;
  /** Maps every page now, so that the first lap of the ring takes no page faults. Default: false. */
  prefault?: boolean | undefined;
  /**
   * On Windows, looks for a channel of the whole machine (`Global\`) instead of the session's own (`Local\`),
   * for services and other sessions. Both sides must say so. On other systems channels always
   * are. Default: false.
   */
  machineWide?: boolean | undefined;
  /**
   * What the messages are taken for: a channel whose creator says something else is refused with
   * `KREN_SCHEMA_MISMATCH`. One that says nothing is accepted.
   */
  schema?: Schema | undefined;
}

/** Lets `connect` make a Reader of what it has waited for. */
let adopted: NativeReader | undefined;

/** @internal */
export function adopt(reader: NativeReader): Reader {
  adopted = reader;
  return new Reader(reader.name);
}

/** What a {@link Reader} and a {@link Subscriber} can do. */
export abstract class RingReadingEnd extends ReadingEnd {
  /** Bytes of the ring: what its writer asked for, rounded up to the page size. */
  readonly capacity: number;
  /** Alignment of messages in the ring, in bytes. */
  readonly alignment: number;
  /** What the channel's creator says of its messages: a text, cut off after 512 bytes. */
  readonly schema: string | undefined;

  readonly #native: NativeReader;
  #side: ReadingSide;
  readonly #nextWriter: Task<void>;
  /** There is a new channel of the name, to move over to when everything here is read. */
  #isMoving = false;

  /** @internal */
  constructor(native: NativeReader) {
    const side = openReadingSide(native);
    super(native, 'reader', side);
    this.#native = native;
    this.#side = side;
    this.capacity = native.capacity;
    this.alignment = native.alignment;
    this.schema = native.schema || undefined;
    this.#nextWriter = {
      attempt: () => (this.#follow() ? undefined : NOT_YET),
      length: 1,
      what: 'live writer',
      outlasts: isGone,
    };
  }

  /**
   * Waits until a live writer holds the channel: a successor of one that has closed or died, or the first one. Fulfilled
   * at once when one is there. A successor that has come and gone since counts as well: its messages are there. For a
   * reader that outlasts its writers:
   *
   * ```js
   * for (;;) {
   *   try {
   *     for await (const message of reader) handle(message);          // ends when a writer closes
   *   } catch (error) {
   *     if (!['KREN_PEER_DIED', 'KREN_REMOVED'].includes(error.code)) throw error;
   *   }
   *   await reader.waitForWriter({ signal });
   * }
   * ```
   *
   * Where the channel's name was removed and leads to a new channel, the reader moves over to that, whose capacity may be
   * another: it first delivers what is unread in the old one. Borrowed messages stay so.
   *
   * @throws {KrenError} (as a rejection) `KREN_TIMED_OUT`; as the constructor when a new channel of the name cannot be
   *   connected to; `KREN_CLOSED` after `close()`; and whatever reason `signal` was aborted with
   */
  waitForWriter(options: AsyncOptions = {}): Promise<void> {
    return this.waitFor(this.#nextWriter, options);
  }

  /** How many messages have come before the next one. @internal */
  protected countRead(): number {
    return this.#side.count();
  }

  /** Bytes of the ring that hold messages not yet read, 8 more for each than its length; 0 = nothing to read. */
  get available(): number {
    return this.#side.available();
  }

  /** Bytes of the ring that {@link borrow}ed messages keep from the writer, and what was read behind them. */
  get held(): number {
    return this.#side.held();
  }

  /** Whether no writer is there any more, because it closed or because it died. Messages may still be waiting. */
  get writerClosed(): boolean {
    return this.#native.peerClosed();
  }

  /** How the other side stands: `never_attached`, `attached`, `closed` or `died`. */
  get writerState(): PeerState {
    return this.#native.peerState();
  }

  /** @internal */
  protected override closedSide(): ReadingSide {
    this.#side = closedReadingSide(this.#native);
    return this.#side;
  }

  /** Whether a writer has come. */
  #follow(): boolean {
    const found = this.#side.follow();
    this.#isMoving = (found & 4) !== 0;
    if ((found & 2) !== 0) {
      const figures = this.#native.figures();
      // Read-only to users.
      Object.assign(this.#native, figures);
      Object.assign(this, figures, { schema: figures.schema || undefined });
      // What the old side has lent it takes back by itself.
      this.#side = openReadingSide(this.#native);
      this.goOnAt(this.#side);
    }
    return (found & 1) !== 0;
  }

  /** Makes the move that was put off, if it was. @internal */
  protected override hasMoved(): boolean {
    if (!this.#isMoving) return false;
    const side = this.#side;
    this.#follow();
    return this.#side !== side;
  }
}

/**
 * The reading side of a channel. There is one reader per channel, in any process and language.
 *
 * Each message is a copy in memory that V8 owns, free to be kept and changed. Those of up to 4 KiB share blocks of 64 KiB,
 * much as Node's own small Buffers do: one that is kept keeps its block. Where few of many are kept for long, keep
 * `Buffer.from(message)`. Messages that were not read stay for the reader that comes after this one.
 */
export class Reader extends RingReadingEnd {
  /**
   * Connects to the channel `name` and starts at its first message that no reader has had.
   *
   * The channel must exist, unless `timeout` says how many milliseconds to wait for it; that wait blocks the
   * event loop (see {@link connect} for one that does not). The writer need not live any more.
   *
   * @throws {KrenError} `KREN_NOT_FOUND`, `KREN_TIMED_OUT` (there, but without the `live` writer), `KREN_READER_EXISTS`, `KREN_INVALID_NAME`, `KREN_PERMISSION_DENIED`,
   *   `KREN_CORRUPT`, `KREN_VERSION_MISMATCH`, `KREN_INVALID_OPTION`, `KREN_IO`
   */
  constructor(name: string, options?: ReaderOptions & TimeoutOptions) {
    const found = adopted ?? open(name, options);
    adopted = undefined;
    super(found);
  }
}

function open(name: string, options: (ReaderOptions & TimeoutOptions) | undefined): NativeReader {
  checkName(name);
  const { timeout, anyOwner, strategy, prefault, machineWide, live, start, schema } = checkReaderOptions(
    name,
    options,
  );
  return native.openReader(
    name,
    timeout,
    anyOwner,
    strategy,
    prefault,
    machineWide,
    live,
    start === 'newest',
    schema?.name,
    schema?.text,
  );
}

/** @internal */
export function checkReaderOptions(name: string, options: (ReaderOptions & TimeoutOptions) | undefined) {
  const { start, schema } = checkOptions(options);
  return {
    ...checkAccess(name, options),
    start: checkStart(start, name),
    schema: checkSchema(schema, name),
  };
}

/** What readers and subscribers have in common. @internal */
export function checkAccess(
  name: string,
  options: (Omit<ReaderOptions, 'start' | 'schema'> & TimeoutOptions) | undefined,
) {
  const { timeout, anyOwner, strategy, prefault, machineWide, live } = checkOptions(options);
  return {
    timeout: timeout === undefined ? undefined : checkTimeout(timeout, name),
    anyOwner: checkFlag(anyOwner, 'anyOwner'),
    strategy: checkStrategy(strategy, name),
    prefault: checkFlag(prefault, 'prefault'),
    machineWide: checkFlag(machineWide, 'machineWide'),
    live: checkFlag(live, 'live'),
  };
}
