import { type AsyncOptions, checkOptions, checkTimeout, checkWhole } from './arguments';
import { NOT_YET, type Task } from './line';
import { type KnownSubscriber, type NativeWriter, native } from './native';
import type { OnReady } from './sides';
import { RingWritingEnd, type WriterOptions, writerArguments } from './writer';

/** How to create a broadcast. */
export interface PublisherOptions extends WriterOptions {
  /** How many subscribers there may be at a time, 1 to 64. Each takes a page of memory. Default: 16. */
  subscribers?: number | undefined;
  /**
   * Milliseconds that a message waits for room before the lossless subscribers in its way are passed over, who then get
   * `KREN_EVICTED`. Durable ones are waited for anyway. Subscribers of such a broadcast get copies, never views of the
   * ring. Default: they are waited for, for ever.
   */
  evictAfter?: number | undefined;
}

/** How to wait for subscribers. */
export interface CountOptions extends AsyncOptions {
  /** How many. Default: 1. */
  count?: number | undefined;
}

/**
 * The writing side of a broadcast: each message is written once, and every {@link Subscriber} reads it. There is one per
 * broadcast, and it can do what a {@link Writer} can.
 *
 * **Without subscribers it never waits, and what it writes is gone with the next lap of the ring**: call
 * {@link waitForSubscribers} where the first messages count. Otherwise it waits for the slowest lossless subscriber; one that
 * has died is passed over within 200 ms.
 */
export class Publisher extends RingWritingEnd {
  readonly #native: NativeWriter;

  /**
   * Creates the broadcast `name` with room for `capacity` bytes of messages, or goes on with it where its last publisher
   * is gone.
   *
   * @throws {KrenError} as {@link Writer}; `KREN_WRONG_KIND` when a channel of that name exists
   */
  constructor(name: string, capacity: number, options?: PublisherOptions) {
    const ring = writerArguments(name, capacity, options);
    const { subscribers, evictAfter } = checkOptions(options);
    const made = native.openPublisher(
      ...ring,
      checkWhole(subscribers, 'subscribers', name),
      evictAfter === undefined ? undefined : checkTimeout(evictAfter, name, 'evictAfter'),
    );
    super(made);
    this.#native = made;
  }

  /**
   * Waits until `count` subscribers are there, 1 unless given: the cure for first messages that nobody got. Fulfilled at
   * once when they are.
   *
   * ```js
   * await publisher.waitForSubscribers({ count: 3, timeout: 10_000 });
   * ```
   *
   * @throws {KrenError} (as a rejection) `KREN_TIMED_OUT`; `KREN_CLOSED` after `close()`; and whatever reason `signal` was
   *   aborted with
   */
  waitForSubscribers(options: CountOptions = {}): Promise<void> {
    try {
      const count = checkWhole(checkOptions(options).count, 'count', this.name) ?? 1;
      const task: Task<void> = {
        attempt: () => (this.#native.subscribed(count) ? undefined : NOT_YET),
        length: -count,
        what: 'subscriber',
      };
      return this.waitFor(task, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** For room for `length` bytes, or below 0 for so many subscribers. @internal */
  protected override arm(length: number, onReady: OnReady): void {
    if (length < 0) this.#native.armSubscribers(-length, onReady);
    else super.arm(length, onReady);
  }

  /** Who is subscribed, and how far behind each is. Makes a system call for each. */
  get subscribers(): KnownSubscriber[] {
    return Object.values(this.#native.subscribers());
  }
}
