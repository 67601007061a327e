// What all that read have in common, whatever it is that they read from.

import { type AsyncOptions, checkOptions, checkTimeout, type TimeoutOptions } from './arguments';
import { ArrayReader, READ, READ_ASYNC, type Take } from './array-reader';
import { Borrowed } from './borrowed';
import type { Limits } from './end';
import { inTurn, inTurnAsync, type Lending, lending } from './iterate';
import { NOT_YET, type Task } from './line';
import type { NativeEnd } from './native';
import type { Held, Loan, OnReady, TakingSide } from './sides';

const NO_LIMITS: Limits = Object.freeze({ timeout: -1, signal: undefined });

/**
 * The next message of `reader`, held: what was not released when the reader is closed is there for the next one.
 *
 * @internal
 */
export let readHeld: (reader: ReadingEnd, signal: AbortSignal) => Promise<Held>;

/**
 * What all that read can do: a {@link Reader}, a {@link Subscriber}, an {@link Inbox}, a {@link Worker}. What is said of a writer here is
 * said of whoever writes.
 */
export abstract class ReadingEnd<
  M extends Buffer = Buffer,
  L extends Borrowed = Borrowed,
> extends ArrayReader {
  #side: TakingSide<M>;
  readonly #next: Task<M>;
  readonly #nextHeld: Task<Held>;
  readonly #nextLoan: Task<Loan>;

  /** @internal */
  constructor(native: NativeEnd, role: string, side: TakingSide<M>) {
    super(native, role);
    this.#side = side;
    const what = 'message';
    this.#next = { attempt: () => this.#side.take() ?? NOT_YET, length: 0, what };
    this.#nextHeld = { attempt: () => this.#side.takeHeld() ?? NOT_YET, length: 0, what };
    this.#nextLoan = { attempt: () => this.#side.borrow() ?? NOT_YET, length: 0, what };
  }

  static {
    readHeld = (reader, signal) => reader.attempt(reader.#nextHeld, { timeout: -1, signal }, true);
  }

  /**
   * The next message. Blocks the thread until there is one, as `readFileSync` does, for `timeout` milliseconds
   * at most.
   *
   * @throws {KrenError} once everything has been read: `KREN_CLOSED` when the writer has closed, `KREN_PEER_DIED`
   *   when it died; `KREN_TIMED_OUT`; `KREN_BUSY` while `readAsync` waits; `KREN_INTERRUPTED` when a signal comes that
   *   has a handler, which runs when the event loop turns (Linux); `KREN_CORRUPT`; `KREN_CLOSED` after `close()`
   */
  read(options?: TimeoutOptions): M {
    if (options === undefined && this.line.length === 0) {
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
  readMany(max: number, options?: TimeoutOptions): M[] {
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
  borrow(options?: TimeoutOptions): L {
    return new Borrowed(this.#borrow(options, 'borrow()')) as L;
  }

  /**
   * The next message where it lies in the ring, waiting for it without blocking the event loop: as {@link borrow}. For those
   * who work on several at a time.
   *
   * @throws {KrenError} (as a rejection) as {@link read}; and whatever reason `signal` was aborted with
   */
  async borrowAsync(options?: AsyncOptions): Promise<L> {
    const loan = await this.attempt(this.#nextLoan, this.limits(options), true);
    return new Borrowed(loan) as L;
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
  lend(options?: AsyncOptions): Lending<L> {
    const { timeout, signal } = this.limits(options);
    return lending(
      () => this.#borrow(options, 'lend()'),
      (giveUp) => this.attempt(this.#nextLoan, { timeout, signal: giveUp }, true),
      signal,
    );
  }

  /**
   * The next message if there is one now, else `null`, whatever the reason. Never waits. Calls of `readAsync`
   * that wait already are served first.
   *
   * @throws {KrenError} `KREN_CORRUPT`; `KREN_CLOSED` after `close()`
   */
  tryRead(): M | null {
    if (this.line.length > 0) {
      this.line.serve();
      if (this.line.length > 0) return null;
    }
    const message = this.#side.take();
    if (message !== undefined) return message;
    return this.hasMoved() ? (this.#side.take() ?? null) : null;
  }

  /**
   * The next message, waiting for it without blocking the event loop. Several calls may wait; they are served in
   * the order in which they came. A message is never lost to a timeout or an abort.
   *
   * @throws {KrenError} (as a rejection) as {@link read}; and whatever reason `signal` was aborted with
   */
  readAsync(options?: AsyncOptions): Promise<M> {
    try {
      return this.attempt(this.#next, options === undefined ? NO_LIMITS : this.limits(options), true);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Messages as they come, until the writer has closed and everything is read, or this reader is closed. Throws
   * `KREN_PEER_DIED` when the writer died. Leaving the loop early leaves the reader open.
   */
  [Symbol.iterator](): Generator<M, undefined, undefined> {
    return inTurn(() => this.read());
  }

  /**
   * As the synchronous iterator, without blocking the event loop; it lets timers and sockets have their turn about
   * every millisecond, however many messages there are. An iteration that is left while it waits (its `return` is
   * called) takes no message any more.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<M> {
    return inTurnAsync((signal) => this.attempt(this.#next, { timeout: -1, signal }, true));
  }

  /** The tag of the message that was handed out last; 0 unless its writer chose one. */
  get lastTag(): number {
    return this.#side.lastTag;
  }

  /**
   * Closes this side; calls of `readAsync` that wait are rejected with `KREN_CLOSED`. Closing twice is fine. The
   * last side to close a channel with nothing left to deliver removes it. Messages that are still borrowed are
   * taken back, and stay in the channel. An endpoint that is not closed is closed when it is collected, or when its
   * thread or the process ends.
   */
  override close(): void {
    super.close();
  }

  /** @internal */
  protected override leave(): void {
    this.#side.close();
    // What is called from now on is refused there.
    this.#side = this.closedSide();
  }

  /** What is left when it was closed: the native layer refuses every call. @internal */
  protected abstract closedSide(): TakingSide<M>;

  /** What is read is somewhere else from now on. @internal */
  protected goOnAt(side: TakingSide<M>): void {
    this.#side = side;
  }

  /** Everything here is read: whether it goes on elsewhere. @internal */
  protected hasMoved(): boolean {
    return false;
  }

  #wait(timeout: number): void {
    if (!this.hasMoved()) this.#side.wait(timeout);
  }

  /** @internal */
  protected override arm(what: number, onReady: OnReady): void {
    if (what === 0 && this.hasMoved()) queueMicrotask(onReady);
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
      const task: Task<T> = { attempt: () => take(this.#side) ?? NOT_YET, length: 0, what: 'message' };
      return this.attempt(task, this.limits(options), true);
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

  /** The timeout of a call that may block, if it may. */
  #beforeWait(options: TimeoutOptions | undefined, call: string): number {
    const timeout = options === undefined ? -1 : checkTimeout(checkOptions(options).timeout, this.name);
    this.line.refuseToBlock(call);
    return timeout;
  }
}
