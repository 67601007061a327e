import {
  type AsyncOptions,
  checkFlag,
  checkName,
  checkOptions,
  checkSignal,
  checkStrategy,
  checkTimeout,
  type Strategy,
  type TimeoutOptions,
} from './arguments';
import { KrenError, krenError } from './errors';
import { Line, NOT_YET, type Task } from './line';
import { type NativeReader, native, type PeerState } from './native';
import { at, place, room } from './pool';
import { mustYield } from './turn';
import './dispose';

/** How to connect to a channel. */
export interface ReaderOptions {
  /** Accepts a channel that belongs to another user of this machine. Default: refused. */
  anyOwner?: boolean | undefined;
  /** How blocking calls wait. Default: `adaptive`. */
  strategy?: Strategy | undefined;
  /** Maps every page now, so that the first lap of the ring takes no page faults. Default: false. */
  prefault?: boolean | undefined;
  /**
   * On Windows, looks for a channel of the whole machine (`Global\`) instead of the session's own (`Local\`),
   * for services and other sessions. Both sides must say so. On other systems channels always
   * are. Default: false.
   */
  machineWide?: boolean | undefined;
}

const END: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/** Lets `connect` make a Reader of what it has waited for. */
let adopted: NativeReader | undefined;

/** @internal */
export function adopt(reader: NativeReader): Reader {
  adopted = reader;
  return new Reader(reader.name);
}

/**
 * The reading side of a channel. There is one reader per channel, in any process and language.
 *
 * Each message is a Buffer of its own, free to be kept. Messages that were not read stay for the reader that
 * comes after this one.
 */
export class Reader {
  /** The name of the channel. */
  readonly name: string;
  /** Bytes of the ring: what its writer asked for, rounded up to the page size. */
  readonly capacity: number;
  /** Alignment of messages in the ring, in bytes. */
  readonly alignment: number;

  readonly #native: NativeReader;
  readonly #line: Line;
  readonly #next: Task<Buffer>;
  #isClosed = false;

  /**
   * Connects to the channel `name` and starts at its first message that no reader has had.
   *
   * The channel must exist, unless `timeout` says how many milliseconds to wait for it; that wait blocks the
   * event loop (see {@link connect} for one that does not). The writer need not live any more.
   *
   * @throws {KrenError} `KREN_NOT_FOUND`, `KREN_READER_EXISTS`, `KREN_INVALID_NAME`, `KREN_PERMISSION_DENIED`,
   *   `KREN_CORRUPT`, `KREN_VERSION_MISMATCH`, `KREN_INVALID_OPTION`, `KREN_IO`
   */
  constructor(name: string, options?: ReaderOptions & TimeoutOptions) {
    this.#native = adopted ?? open(name, options);
    adopted = undefined;
    this.name = this.#native.name;
    this.capacity = this.#native.capacity;
    this.alignment = this.#native.alignment;
    this.#line = new Line(this, this.#native);
    this.#next = { attempt: () => this.#take() ?? NOT_YET, length: 0, what: 'message' };
  }

  /**
   * The next message. Blocks the thread until there is one, as `readFileSync` does, for `timeout` milliseconds
   * at most.
   *
   * @throws {KrenError} once everything has been read: `KREN_CLOSED` when the writer has closed, `KREN_PEER_DIED`
   *   when it died; `KREN_TIMED_OUT`; `KREN_BUSY` while `readAsync` waits; `KREN_CORRUPT`; `KREN_CLOSED` after
   *   `close()`
   */
  read(options?: TimeoutOptions): Buffer {
    const timeout = options === undefined ? -1 : checkTimeout(checkOptions(options).timeout, this.name);
    this.#line.refuseToBlock('read()');
    const taken = this.#native.read(room(), at(), timeout);
    return typeof taken === 'number' ? place(taken) : taken;
  }

  /**
   * The next message if there is one now, else `null`, whatever the reason. Never waits. Calls of `readAsync`
   * that wait already are served first.
   *
   * @throws {KrenError} `KREN_CORRUPT`; `KREN_CLOSED` after `close()`
   */
  tryRead(): Buffer | null {
    if (!this.#line.isEmpty) {
      this.#line.serve();
      if (!this.#line.isEmpty) return null;
    }
    return this.#take();
  }

  /**
   * The next message, waiting for it without blocking the event loop. Several calls may wait; they are served in
   * the order in which they came. A message is never lost to a timeout or an abort.
   *
   * @throws {KrenError} (as a rejection) as {@link read}; and whatever reason `signal` was aborted with
   */
  readAsync(options?: AsyncOptions): Promise<Buffer> {
    try {
      let timeout = -1;
      let signal: AbortSignal | undefined;
      if (options !== undefined) {
        ({ timeout, signal } = this.#check(options));
      }
      const yields = mustYield();
      if (!yields && this.#line.isEmpty) {
        const message = this.#take();
        if (message !== null) return Promise.resolve(message);
      }
      return this.#line.wait(this.#next, timeout, signal, yields);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Messages as they come, until the writer has closed and everything is read, or this reader is closed. Throws
   * `KREN_PEER_DIED` when the writer died. Leaving the loop early leaves the reader open.
   */
  *[Symbol.iterator](): Generator<Buffer, undefined, undefined> {
    for (;;) {
      let message: Buffer;
      try {
        message = this.read();
      } catch (error) {
        if (isEnd(error)) return;
        throw error;
      }
      yield message;
    }
  }

  /**
   * As the synchronous iterator, without blocking the event loop; it lets timers and sockets have their turn about
   * every millisecond, however many messages there are.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer, undefined, undefined> {
    let isOver = false;
    return {
      next: () => {
        if (isOver) return Promise.resolve(END);
        return this.readAsync().then(
          (value) => ({ done: false, value }),
          (error) => {
            isOver = true;
            if (isEnd(error)) return END;
            throw error;
          },
        );
      },
      return: () => {
        isOver = true;
        return Promise.resolve(END);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** The tag of the message that was handed out last; 0 unless its writer chose one. */
  get lastTag(): number {
    return this.#native.lastTag();
  }

  /** Bytes of the ring that hold messages not yet read, 8 more for each than its length; 0 = nothing to read. */
  get available(): number {
    return this.#native.available();
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
   * last side to close a channel with nothing left to deliver removes it. An endpoint that is not closed is
   * closed when it is collected, or when its thread or the process ends.
   */
  close(): void {
    this.#isClosed = true;
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

  #take(): Buffer | null {
    const taken = this.#native.tryRead(room(), at());
    if (taken === undefined) return null;
    return typeof taken === 'number' ? place(taken) : taken;
  }

  #check(options: AsyncOptions): { timeout: number; signal: AbortSignal | undefined } {
    const checked = checkOptions(options);
    const signal = checkSignal(checked.signal);
    signal?.throwIfAborted();
    return { timeout: checkTimeout(checked.timeout, this.name), signal };
  }
}

function isEnd(error: unknown): boolean {
  return error instanceof KrenError && error.code === 'KREN_CLOSED';
}

function open(name: string, options: (ReaderOptions & TimeoutOptions) | undefined): NativeReader {
  checkName(name);
  const { timeout, anyOwner, strategy, prefault, machineWide } = checkReaderOptions(name, options);
  return native.openReader(name, timeout, anyOwner, strategy, prefault, machineWide);
}

/** @internal */
export function checkReaderOptions(name: string, options: (ReaderOptions & TimeoutOptions) | undefined) {
  const { timeout, anyOwner, strategy, prefault, machineWide } = checkOptions(options);
  return {
    timeout: timeout === undefined ? undefined : checkTimeout(timeout, name),
    anyOwner: checkFlag(anyOwner, 'anyOwner'),
    strategy: checkStrategy(strategy, name),
    prefault: checkFlag(prefault, 'prefault'),
    machineWide: checkFlag(machineWide, 'machineWide'),
  };
}
