// What all that write have in common, wherever it is that they write to.

import {
  type AsyncOptions,
  bytesOf,
  changed,
  checkMessages,
  checkOptions,
  checkTag,
  checkTimeout,
  type Data,
  type TagOptions,
  type TimeoutOptions,
} from './arguments';
import { ArrayWriter, SEND, SEND_ASYNC } from './array-writer';
import { krenError } from './errors';
import { NOT_YET, type Task } from './line';
import type { NativeEnd } from './native';
import type { Message } from './payload';
import type { Reserved } from './reserved';
import type { OnReady, PuttingSide } from './sides';
import { mustYield } from './turn';

const NOTHING_ASKED = Object.freeze({ tag: 0, timeout: -1, key: undefined });

/**
 * What all that write can do: a {@link Writer}, a {@link Publisher}, a {@link Sender}, a {@link Dealer}. What is said of a reader here is
 * said of whoever reads.
 */
export abstract class WritingEnd<O extends TagOptions = TagOptions> extends ArrayWriter<O> {
  #side: PuttingSide;
  /** While it is open nothing else is written: it lies where the next message goes. @internal */
  protected reserved: Reserved | undefined;
  readonly #drained: Task<void>;

  /** `whole` is what `arm` takes for the end of delivery. @internal */
  constructor(native: NativeEnd, role: string, side: PuttingSide, whole: number) {
    super(native, role);
    this.#side = side;
    this.#drained = {
      attempt: () => (this.#side.drained() ? undefined : NOT_YET),
      length: whole,
      what: 'end of delivery',
    };
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
  write(data: Data, options?: TimeoutOptions & O): void {
    const bytes = bytesOf(data);
    if (options === undefined && this.line.length === 0 && this.reserved === undefined) {
      if (this.#side.put(bytes, 0)) return;
    }
    const { tag, timeout, key } = this.#checkAll(options);
    this.refuseToBlock('write()');
    while (!this.#side.put(bytes, tag, key)) this.#side.wait(bytes.byteLength, timeout);
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
  writeMany(messages: Iterable<Data> & object, options?: TimeoutOptions & O): number {
    const { tag, timeout, key } = this.#checkAll(options);
    let written = 0;
    try {
      for (const data of checkMessages(messages)) {
        const bytes = bytesOf(data);
        this.refuseToBlock('writeMany()');
        while (!this.#side.stage(bytes, tag, key)) this.#side.wait(bytes.byteLength, timeout);
        written += 1;
      }
    } finally {
      this.#side.publish();
    }
    return written;
  }

  /**
   * Writes one message if the ring has room for it now; tells whether it did. Never waits. Calls of `writeAsync`
   * that wait already are served first.
   *
   * @throws {KrenError} `KREN_TOO_LARGE`; `KREN_CLOSED` after `close()`
   * @throws {TypeError} when `data` is not of one of the types
   */
  tryWrite(data: Data, options?: O): boolean {
    const { tag, key } = this.#checkAll(options);
    const bytes = bytesOf(data);
    if (this.line.length > 0) {
      this.line.serve();
      if (this.line.length > 0) return false;
    }
    this.#refuseWhileReserved('tryWrite()');
    return this.#side.put(bytes, tag, key);
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
  writeAsync(data: Data, options?: AsyncOptions & O): Promise<void> {
    try {
      const { timeout, signal } = this.limits(options);
      const { tag, key } = this.#checkAll(options);
      const bytes = bytesOf(data);
      const yields = mustYield();
      this.#refuseWhileReserved('writeAsync()');
      if (!yields && this.line.length === 0 && this.#side.put(bytes, tag, key)) return Promise.resolve();
      const length = bytes.length;
      const task: Task<void> = {
        attempt: () => {
          if (bytes.length !== length) throw changed(this.name, length, bytes.length);
          return this.#side.put(bytes, tag, key) ? undefined : NOT_YET;
        },
        length,
        what: 'room',
      };
      return this.line.wait(task, timeout, signal, yields);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @internal */
  override [SEND](message: Message, options: (TimeoutOptions & O) | undefined, call: string): void {
    const { tag, timeout, key } = this.#checkAll(options);
    const { pieces, length } = message;
    this.refuseToBlock(call);
    while (!this.#side.gather(pieces, length, tag, key)) this.#side.wait(length, timeout);
  }

  /** @internal */
  override [SEND_ASYNC](message: Message, options: (AsyncOptions & O) | undefined): Promise<void> {
    const { timeout, signal } = this.limits(options);
    const { tag, key } = this.#checkAll(options);
    const { pieces, length } = message;
    const yields = mustYield();
    this.#refuseWhileReserved('an asynchronous call');
    if (!yields && this.line.length === 0 && this.#side.gather(pieces, length, tag, key))
      return Promise.resolve();
    const task: Task<void> = {
      attempt: () => {
        const now = pieces.reduce((sum, piece) => sum + piece.length, 0);
        if (now !== length) throw changed(this.name, length, now);
        return this.#side.gather(pieces, length, tag, key) ? undefined : NOT_YET;
      },
      length,
      what: 'room',
    };
    return this.line.wait(task, timeout, signal, yields);
  }

  /**
   * Blocks the thread until the reader has taken everything that was written, for `timeout` milliseconds at most.
   *
   * @throws {KrenError} `KREN_TIMED_OUT`; `KREN_CLOSED` or `KREN_PEER_DIED` when the reader went before it was
   *   done (one that has not come yet is waited for); `KREN_BUSY` while `writeAsync` waits
   */
  flush(options?: TimeoutOptions): void {
    const timeout = checkTimeout(checkOptions(options).timeout, this.name);
    this.refuseToBlock('flush()');
    this.#side.flush(timeout);
  }

  /**
   * Waits, without blocking the event loop, until the reader has taken everything that was written before.
   *
   * @throws {KrenError} (as a rejection) as {@link flush}; and whatever reason `signal` was aborted with
   */
  flushAsync(options: AsyncOptions = {}): Promise<void> {
    return this.waitFor(this.#drained, options);
  }

  /** The longest message, in bytes, that could be written now without waiting. */
  get available(): number {
    return this.#side.available();
  }

  /** @internal */
  protected override leave(): void {
    this.reserved?.abort();
    this.#side.close();
    // What is called from now on is refused there.
    this.#side = this.closedSide();
  }

  /** What is left when it was closed: the native layer refuses every call. @internal */
  protected abstract closedSide(): PuttingSide;

  /** @internal */
  protected override arm(length: number, onReady: OnReady): void {
    this.#side.arm(length, onReady);
  }

  /** What the message has in common with others that go to the same reader, where there are several. @internal */
  protected keyOf(_options: O): string | undefined {
    return undefined;
  }

  /** Throws where a call that blocks would wait for ever, or come in between. @internal */
  protected refuseToBlock(call: string): void {
    this.line.refuseToBlock(call);
    this.#refuseWhileReserved(call);
  }

  #refuseWhileReserved(call: string): void {
    if (this.reserved !== undefined) {
      throw krenError(
        'KREN_BUSY',
        `channel '${this.name}': ${call} must wait until the reserved room is committed or given up`,
        this.name,
      );
    }
  }

  #checkAll(options: (TimeoutOptions & O) | undefined): {
    tag: number;
    timeout: number;
    key: string | undefined;
  } {
    if (options === undefined) return NOTHING_ASKED;
    const checked = checkOptions(options);
    return {
      tag: checkTag(checked.tag, this.name),
      timeout: checkTimeout(checked.timeout, this.name),
      key: this.keyOf(checked),
    };
  }
}
