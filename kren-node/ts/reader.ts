import {
  type AsyncOptions,
  checkFlag,
  checkName,
  checkOptions,
  checkSignal,
  checkStart,
  checkStrategy,
  checkTimeout,
  type Strategy,
  type TimeoutOptions,
} from './arguments';
import { isGone, krenError } from './errors';
import { Line, NOT_YET, type Task } from './line';
import { type NativeReader, native, type PeerState } from './native';
import { Borrowed } from './borrowed';
import { inTurn, inTurnAsync, type Lending, lending } from './iterate';
import { closedReadingSide, openReadingSide } from './open';
import type { Held, Loan, OnReady, ReadingSide } from './sides';
import { mustYield } from './turn';
import { ArrayReader, READ, READ_ASYNC, type Take } from './array-reader';
import { checkSchema, type Schema } from './schema';
import './dispose';

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

/**
 * The next message of `reader`, held: what was not released when the reader is closed is there for the next one.
 *
 * @internal
 */
export let readHeld: (reader: ReadingEnd, signal: AbortSignal) => Promise<Held>;

/** What a {@link Reader} and a {@link Subscriber} can do. */
export abstract class ReadingEnd extends ArrayReader {
  /** The name of the channel. */
  readonly name: string;
  /** Bytes of the ring: what its writer asked for, rounded up to the page size. */
  readonly capacity: number;
  /** Alignment of messages in the ring, in bytes. */
  readonly alignment: number;
  /** What the channel's creator says of its messages: a text, cut off after 512 bytes. */
  readonly schema: string | undefined;

  readonly #native: NativeReader;
  #side: ReadingSide;
  readonly #line: Line;
  readonly #next: Task<Buffer>;
  readonly #nextHeld: Task<Held>;
  readonly #nextLoan: Task<Loan>;
  readonly #nextWriter: Task<void>;
  /** There is a new channel of the name, to move over to when everything here is read. */
  #isMoving = false;
  #isClosed = false;

  /** @internal */
  constructor(native: NativeReader) {
    super();
    this.#native = native;
    this.name = this.#native.name;
    this.capacity = this.#native.capacity;
    this.alignment = this.#native.alignment;
    this.schema = this.#native.schema || undefined;
    this.#side = openReadingSide(this.#native);
    this.#line = new Line(this, this.#native, (what, onReady) => this.#arm(what, onReady));
    const what = 'message';
    this.#next = { attempt: () => this.#side.take() ?? NOT_YET, length: 0, what };
    this.#nextHeld = { attempt: () => this.#side.takeHeld() ?? NOT_YET, length: 0, what };
    this.#nextLoan = { attempt: () => this.#side.borrow() ?? NOT_YET, length: 0, what };
    this.#nextWriter = {
      attempt: () => (this.#follow() ? undefined : NOT_YET),
      length: 1,
      what: 'live writer',
      outlasts: isGone,
    };
  }

  static {
    readHeld = (reader, signal) => reader.#take(reader.#nextHeld, -1, signal);
  }

  /**
   * The next message. Blocks the thread until there is one, as `readFileSync` does, for `timeout` milliseconds
   * at most.
   *
   * @throws {KrenError} once everything has been read: `KREN_CLOSED` when the writer has closed, `KREN_PEER_DIED`
   *   when it died; `KREN_TIMED_OUT`; `KREN_BUSY` while `readAsync` waits; `KREN_INTERRUPTED` when a signal comes that
   *   has a handler, which runs when the event loop turns (Linux); `KREN_CORRUPT`; `KREN_CLOSED` after `close()`
   */
  read(options?: TimeoutOptions): Buffer {
    if (options === undefined && this.#line.length === 0) {
      const message = this.#side.take();
      if (message !== undefined) return message;
    }
    const timeout = this.#beforeWait(options, 'read()');
    for (;;) {
      const message = this.#side.take();
      if (message !== undefined) return message;
      this.#wait(timeout);
    }
  }

  /**
   * Up to `max` messages: waits for the first as {@link read} does, and takes with it those that are there already.
   *
   * ```js
   * for (const message of reader.readMany(64)) handle(message);
   * ```
   *
   * @throws {KrenError} as {@link read}
   * @throws {RangeError} when `max` is no whole number above 0
   */
  readMany(max: number, options?: TimeoutOptions): Buffer[] {
    if (!Number.isSafeInteger(max) || max < 1)
      throw new RangeError(`max must be a whole number above 0, not ${max}`);
    const timeout = this.#beforeWait(options, 'readMany()');
    for (;;) {
      const messages = this.#side.takeMany(max);
      if (messages.length > 0) return messages;
      this.#wait(timeout);
    }
  }

  /**
   * Copies the next message to the start of `target`, waiting for it as {@link read} does, and tells its length. The
   * cheapest way for large messages, which need no new memory then.
   *
   * @throws {KrenError} as {@link read}
   * @throws {RangeError} when the message is longer than `target`; it stays the next one
   */
  readInto(target: Uint8Array, options?: TimeoutOptions): number {
    if (!(target instanceof Uint8Array)) throw new TypeError('target must be a Buffer or another Uint8Array');
    const timeout = this.#beforeWait(options, 'readInto()');
    for (;;) {
      const length = this.#side.takeInto(target);
      if (length === undefined) {
        this.#wait(timeout);
      } else if (length <= target.byteLength) {
        return length;
      } else {
        throw new RangeError(
          `the next message of channel '${this.name}' has ${length} bytes and the target ${target.byteLength}; ` +
            'give a larger one, the message is still there',
        );
      }
    }
  }

  /**
   * The next message where it lies in the ring, without a copy, waiting for it as {@link read} does. Several may be
   * held, and released in any order; the writer gets their bytes back from the oldest on, and a ring that is full of
   * held messages blocks it.
   *
   * ```js
   * {
   *   using borrowed = reader.borrow();
   *   handle(borrowed.data);
   * } // released here; else call borrowed.release()
   * ```
   *
   * **Release it only when nothing works on its bytes any more.** What goes on in the background, say `socket.write` or
   * zlib, would go on with another message, or end the process: see {@link Borrowed}, whose `copy()` is for that.
   *
   * @throws {KrenError} as {@link read}
   */
  borrow(options?: TimeoutOptions): Borrowed {
    return new Borrowed(this.#borrow(options, 'borrow()'));
  }

  /**
   * The messages as they come, each where it lies, until the writer has closed and everything is read: as {@link borrow},
   * each released when the loop asks for the next one or is left. For `for`, which blocks the thread while it waits, and
   * for `for await`, which does not. `timeout` and `signal` (of `for await`) are for each message.
   *
   * ```js
   * for (const { data, tag } of reader.lend()) handle(data, tag);    // what is to be kept: message.copy()
   * ```
   *
   * @throws {KrenError} (from the loop) as {@link read}, but for the end; and whatever reason `signal` was aborted with
   */
  lend(options?: AsyncOptions): Lending {
    const { timeout, signal } = this.#check(options ?? {});
    return lending(
      () => this.#borrow(options, 'lend()'),
      (giveUp) => this.#take(this.#nextLoan, timeout, giveUp),
      signal,
    );
  }

  /**
   * The next message if there is one now, else `null`, whatever the reason. Never waits. Calls of `readAsync`
   * that wait already are served first.
   *
   * @throws {KrenError} `KREN_CORRUPT`; `KREN_CLOSED` after `close()`
   */
  tryRead(): Buffer | null {
    if (this.#line.length > 0) {
      this.#line.serve();
      if (this.#line.length > 0) return null;
    }
    const message = this.#side.take();
    if (message !== undefined) return message;
    return this.#hasMoved() ? (this.#side.take() ?? null) : null;
  }

  /**
   * The next message, waiting for it without blocking the event loop. Several calls may wait; they are served in
   * the order in which they came. A message is never lost to a timeout or an abort.
   *
   * @throws {KrenError} (as a rejection) as {@link read}; and whatever reason `signal` was aborted with
   */
  readAsync(options?: AsyncOptions): Promise<Buffer> {
    try {
      if (options === undefined) return this.#take(this.#next, -1, undefined);
      const { timeout, signal } = this.#check(options);
      return this.#take(this.#next, timeout, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Messages as they come, until the writer has closed and everything is read, or this reader is closed. Throws
   * `KREN_PEER_DIED` when the writer died. Leaving the loop early leaves the reader open.
   */
  [Symbol.iterator](): Generator<Buffer, undefined, undefined> {
    return inTurn(() => this.read());
  }

  /**
   * As the synchronous iterator, without blocking the event loop; it lets timers and sockets have their turn about
   * every millisecond, however many messages there are. An iteration that is left while it waits (its `return` is
   * called) takes no message any more.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    return inTurnAsync((giveUp) => this.#take(this.#next, -1, giveUp));
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
    try {
      const { timeout, signal } = this.#check(options);
      if (this.#line.length === 0 && this.#follow()) return Promise.resolve();
      return this.#line.wait(this.#nextWriter, timeout, signal, false);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** How many messages have come before the next one. @internal */
  protected countRead(): number {
    return this.#side.count();
  }

  /** The tag of the message that was handed out last; 0 unless its writer chose one. */
  get lastTag(): number {
    return this.#side.lastTag;
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

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /**
   * Closes this side; calls of `readAsync` that wait are rejected with `KREN_CLOSED`. Closing twice is fine. The
   * last side to close a channel with nothing left to deliver removes it. Messages that are still borrowed are
   * taken back, and stay in the channel. An endpoint that is not closed is closed when it is collected, or when its
   * thread or the process ends.
   */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#side.close();
      // What is called from now on is refused there.
      this.#side = closedReadingSide(this.#native);
    }
    this.#native.close();
    this.#line.close(() =>
      krenError('KREN_CLOSED', `channel '${this.name}': this reader was closed while it waited`, this.name),
    );
  }

  /** Lets a call that waits keep the process alive. That is the default. */
  ref(): this {
    this.#line.setRef(true);
    return this;
  }

  /** Lets the process exit although a call waits. */
  unref(): this {
    this.#line.setRef(false);
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
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
    }
    return (found & 1) !== 0;
  }

  /** Everything here is read: makes the move that was put off, if it was. */
  #hasMoved(): boolean {
    if (!this.#isMoving) return false;
    const side = this.#side;
    this.#follow();
    return this.#side !== side;
  }

  #wait(timeout: number): void {
    if (!this.#hasMoved()) this.#side.wait(timeout);
  }

  #arm(what: number, onReady: OnReady): void {
    if (what === 0 && this.#hasMoved()) queueMicrotask(onReady);
    else this.#side.arm(what, onReady);
  }

  /** @internal */
  override [READ]<T>(take: Take<T>, options: TimeoutOptions | undefined, call: string): T {
    const timeout = this.#beforeWait(options, call);
    for (;;) {
      const taken = take(this.#side);
      if (taken !== undefined) return taken;
      this.#wait(timeout);
    }
  }

  /** @internal */
  override [READ_ASYNC]<T>(take: Take<T>, options: AsyncOptions | undefined): Promise<T> {
    try {
      const { timeout, signal } = this.#check(options ?? {});
      const task: Task<T> = { attempt: () => take(this.#side) ?? NOT_YET, length: 0, what: 'message' };
      return this.#take(task, timeout, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #borrow(options: TimeoutOptions | undefined, call: string): Loan {
    const timeout = this.#beforeWait(options, call);
    for (;;) {
      const loan = this.#side.borrow();
      if (loan !== undefined) return loan;
      this.#wait(timeout);
    }
  }

  /** Does `task`, at once if that is possible. */
  #take<T>(task: Task<T>, timeout: number, signal: AbortSignal | undefined): Promise<T> {
    try {
      const yields = mustYield();
      if (!yields && this.#line.length === 0) {
        const taken = task.attempt();
        if (taken !== NOT_YET) return Promise.resolve(taken);
      }
      return this.#line.wait(task, timeout, signal, yields);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The timeout of a call that may block, if it may. */
  #beforeWait(options: TimeoutOptions | undefined, call: string): number {
    const timeout = options === undefined ? -1 : checkTimeout(checkOptions(options).timeout, this.name);
    this.#line.refuseToBlock(call);
    return timeout;
  }

  #check(options: AsyncOptions): { timeout: number; signal: AbortSignal | undefined } {
    const checked = checkOptions(options);
    const signal = checkSignal(checked.signal);
    signal?.throwIfAborted();
    return { timeout: checkTimeout(checked.timeout, this.name), signal };
  }
}

/**
 * The reading side of a channel. There is one reader per channel, in any process and language.
 *
 * Each message is a copy in memory that V8 owns, free to be kept and changed. Those of up to 4 KiB share blocks of 64 KiB,
 * much as Node's own small Buffers do: one that is kept keeps its block. Where few of many are kept for long, keep
 * `Buffer.from(message)`. Messages that were not read stay for the reader that comes after this one.
 */
export class Reader extends ReadingEnd {
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
