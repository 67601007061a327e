import {
  type AsyncOptions,
  bytesOf,
  changed,
  checkCapacity,
  checkFlag,
  checkMessages,
  checkName,
  checkOptions,
  checkSignal,
  checkStrategy,
  checkTag,
  checkTimeout,
  checkWhole,
  type Data,
  type Strategy,
  type TagOptions,
  type TimeoutOptions,
} from './arguments';
import { krenError } from './errors';
import { Line, NOT_YET, type Task } from './line';
import { type NativeWriter, native, type PeerState } from './native';
import { closedWritingSide, openWritingSide } from './open';
import { Reserved } from './reserved';
import type { OnReady, WritingSide } from './sides';
import { mustYield } from './turn';
import { ArrayWriter, SEND, SEND_ASYNC } from './array-writer';
import type { Message } from './payload';
import { checkSchema, type Schema } from './schema';
import './dispose';

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
export let breakOff: (writer: WritingEnd) => void;

const NO_OPTIONS: AsyncOptions & TagOptions = Object.freeze({});

/** What a {@link Writer} and a {@link Publisher} can do. */
export abstract class WritingEnd extends ArrayWriter {
  /** The name of the channel. */
  readonly name: string;
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
  /** While it is open nothing else is written: it lies where the next message goes. */
  #reserved: Reserved | undefined;
  readonly #line: Line;
  readonly #drained: Task<void>;
  #isClosed = false;

  /** @internal */
  constructor(native: NativeWriter) {
    super();
    this.#native = native;
    this.name = this.#native.name;
    this.capacity = this.#native.capacity;
    this.alignment = this.#native.alignment;
    this.schema = this.#native.schema || undefined;
    this.maxMessageLength = this.#native.maxMessageLength;
    this.#side = openWritingSide(this.#native);
    this.#line = new Line(this, this.#native, (length, onReady) => this.#arm(length, onReady));
    this.#drained = {
      attempt: () => (this.#side.drained() ? undefined : NOT_YET),
      length: this.maxMessageLength,
      what: 'end of delivery',
    };
  }

  static {
    breakOff = (writer) => writer.#end(() => writer.#native.breakOff());
  }

  /**
   * Writes one message. Blocks the thread while the ring has no room for it, for `timeout` milliseconds at most.
   *
   * @throws {KrenError} `KREN_TOO_LARGE`; while there is no room: `KREN_TIMED_OUT`, or `KREN_CLOSED` or
   *   `KREN_PEER_DIED` when the reader that should make it is gone; `KREN_BUSY` while `writeAsync` waits;
   *   `KREN_INTERRUPTED` when a signal comes that has a handler, which runs when the event loop turns (Linux);
   *   `KREN_CLOSED` after `close()`
   * @throws {TypeError} when `data` is not of one of the types
   */
  write(data: Data, options?: TimeoutOptions & TagOptions): void {
    const bytes = bytesOf(data);
    if (options === undefined && this.#line.length === 0 && this.#reserved === undefined) {
      if (this.#side.put(bytes, 0)) return;
    }
    let tag = 0;
    let timeout = -1;
    if (options !== undefined) {
      const checked = checkOptions(options);
      tag = checkTag(checked.tag, this.name);
      timeout = checkTimeout(checked.timeout, this.name);
    }
    this.#refuseToBlock('write()');
    while (!this.#side.put(bytes, tag)) this.#side.wait(bytes.byteLength, timeout);
  }

  /**
   * Writes several messages in order, waiting for room as {@link write} does, for `timeout` milliseconds at most each
   * time. Those that fit together become visible together. When it throws, those before the one that it was at are
   * sent.
   *
   * ```js
   * writer.writeMany(['a', 'b', 'c']);
   * ```
   *
   * @returns how many were written
   * @throws as {@link write}, and whatever `messages` throws; {@link TypeError} when `messages` is one message: text, or
   *   a Buffer
   */
  writeMany(messages: Iterable<Data> & object, options?: TimeoutOptions & TagOptions): number {
    const checked = checkOptions(options);
    const tag = checkTag(checked.tag, this.name);
    const timeout = checkTimeout(checked.timeout, this.name);
    let written = 0;
    try {
      for (const data of checkMessages(messages)) {
        const bytes = bytesOf(data);
        this.#refuseToBlock('writeMany()');
        while (!this.#side.stage(bytes, tag)) this.#side.wait(bytes.byteLength, timeout);
        written += 1;
      }
    } finally {
      this.#side.publish();
    }
    return written;
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
    this.#refuseToBlock('reserve()');
    for (;;) {
      const room = this.#side.reserve(length);
      if (room !== undefined) {
        this.#reserved = new Reserved(room, this.name, () => {
          this.#reserved = undefined;
        });
        return this.#reserved;
      }
      this.#side.wait(length, timeout);
    }
  }

  /**
   * Writes one message if the ring has room for it now; tells whether it did. Never waits. Calls of `writeAsync`
   * that wait already are served first.
   *
   * @throws {KrenError} `KREN_TOO_LARGE`; `KREN_CLOSED` after `close()`
   * @throws {TypeError} when `data` is not of one of the types
   */
  tryWrite(data: Data, options?: TagOptions): boolean {
    const tag = options === undefined ? 0 : checkTag(checkOptions(options).tag, this.name);
    const bytes = bytesOf(data);
    if (this.#line.length > 0) {
      this.#line.serve();
      if (this.#line.length > 0) return false;
    }
    this.#refuseWhileReserved('tryWrite()');
    return this.#side.put(bytes, tag);
  }

  /**
   * Writes one message, waiting for room without blocking the event loop. Several calls may wait; they are served
   * in the order in which they came. Leave `data` as it is until the promise is settled: it is copied into the ring
   * when there is room.
   *
   * @throws {KrenError} (as a rejection) as {@link write}; and whatever reason `signal` was aborted with
   * @throws {TypeError} (as a rejection) when `data` is not of one of the types, or has changed its length by the time
   *   there is room (it was transferred, resized or given back)
   */
  writeAsync(data: Data, options: AsyncOptions & TagOptions = NO_OPTIONS): Promise<void> {
    try {
      const { timeout, signal } = this.#check(options);
      const tag = checkTag(options.tag, this.name);
      const bytes = bytesOf(data);
      const yields = mustYield();
      this.#refuseWhileReserved('writeAsync()');
      if (!yields && this.#line.length === 0 && this.#side.put(bytes, tag)) return Promise.resolve();
      const length = bytes.length;
      const task: Task<void> = {
        attempt: () => {
          if (bytes.length !== length) throw changed(this.name, length, bytes.length);
          return this.#side.put(bytes, tag) ? undefined : NOT_YET;
        },
        length,
        what: 'room',
      };
      return this.#line.wait(task, timeout, signal, yields);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @internal */
  override [SEND](message: Message, options: (TimeoutOptions & TagOptions) | undefined, call: string): void {
    const checked = checkOptions(options);
    const tag = checkTag(checked.tag, this.name);
    const timeout = checkTimeout(checked.timeout, this.name);
    const { pieces, length } = message;
    this.#refuseToBlock(call);
    while (!this.#side.gather(pieces, length, tag)) this.#side.wait(length, timeout);
  }

  /** @internal */
  override [SEND_ASYNC](message: Message, options: (AsyncOptions & TagOptions) | undefined): Promise<void> {
    const { timeout, signal } = this.#check(options ?? NO_OPTIONS);
    const tag = checkTag(options?.tag, this.name);
    const { pieces, length } = message;
    const yields = mustYield();
    this.#refuseWhileReserved('an asynchronous call');
    if (!yields && this.#line.length === 0 && this.#side.gather(pieces, length, tag))
      return Promise.resolve();
    const task: Task<void> = {
      attempt: () => {
        const now = pieces.reduce((sum, piece) => sum + piece.length, 0);
        if (now !== length) throw changed(this.name, length, now);
        return this.#side.gather(pieces, length, tag) ? undefined : NOT_YET;
      },
      length,
      what: 'room',
    };
    return this.#line.wait(task, timeout, signal, yields);
  }

  /**
   * Blocks the thread until the reader has taken everything that was written, for `timeout` milliseconds at most.
   *
   * @throws {KrenError} `KREN_TIMED_OUT`; `KREN_CLOSED` or `KREN_PEER_DIED` when the reader went before it was
   *   done (one that has not come yet is waited for); `KREN_BUSY` while `writeAsync` waits
   */
  flush(options?: TimeoutOptions): void {
    const timeout = checkTimeout(checkOptions(options).timeout, this.name);
    this.#refuseToBlock('flush()');
    this.#side.flush(timeout);
  }

  /**
   * Waits, without blocking the event loop, until the reader has taken everything that was written before.
   *
   * @throws {KrenError} (as a rejection) as {@link flush}; and whatever reason `signal` was aborted with
   */
  flushAsync(options: AsyncOptions = NO_OPTIONS): Promise<void> {
    return this.waitFor(this.#drained, options);
  }

  /** The longest message, in bytes, that could be written now without waiting. */
  get available(): number {
    return this.#side.available();
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#isClosed;
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
  close(options?: CloseOptions): void {
    const discards = checkFlag(checkOptions(options).discard, 'discard') === true;
    this.#end(() => (discards ? this.#native.closeDiscarding() : this.#native.close()));
  }

  #end(endNative: () => void): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#reserved?.abort();
      this.#side.close();
      // What is called from now on is refused there.
      this.#side = closedWritingSide(this.#native);
    }
    try {
      endNative();
    } finally {
      this.#line.close(() =>
        krenError('KREN_CLOSED', `channel '${this.name}': this writer was closed while it waited`, this.name),
      );
    }
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

  /** Does `task` in its turn. @internal */
  protected waitFor(task: Task<void>, options: AsyncOptions): Promise<void> {
    try {
      const { timeout, signal } = this.#check(options);
      if (this.#line.length === 0 && task.attempt() !== NOT_YET) return Promise.resolve();
      return this.#line.wait(task, timeout, signal, false);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** For room for `length` bytes, or below 0 for so many subscribers. */
  #arm(length: number, onReady: OnReady): void {
    if (length < 0) this.#native.armSubscribers(-length, onReady);
    else this.#side.arm(length, onReady);
  }

  #refuseToBlock(call: string): void {
    this.#line.refuseToBlock(call);
    this.#refuseWhileReserved(call);
  }

  #refuseWhileReserved(call: string): void {
    if (this.#reserved !== undefined) {
      throw krenError(
        'KREN_BUSY',
        `channel '${this.name}': ${call} must wait until the reserved room is committed or given up`,
        this.name,
      );
    }
  }

  #check(options: AsyncOptions): { timeout: number; signal: AbortSignal | undefined } {
    const checked = checkOptions(options);
    const signal = checkSignal(checked.signal);
    signal?.throwIfAborted();
    return { timeout: checkTimeout(checked.timeout, this.name), signal };
  }
}

/**
 * The writing side of a channel. There is one writer per channel, in any process and language.
 *
 * What was written stays in the channel until a reader has had it, whatever becomes of the writer.
 */
export class Writer extends WritingEnd {
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
