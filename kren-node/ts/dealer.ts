import { checkCapacity, checkOptions, checkWhole, type TagOptions, wrongType } from './arguments';
import { type MemberOptions, memberArguments } from './members';
import { type NativeDealer, native } from './native';
import type { OnReady, PuttingSide, Timeout } from './sides';
import { WritingEnd } from './writing';

/** How to open a work queue. */
export interface DealerOptions extends MemberOptions {
  /** How many workers there may be at a time: 1 to 1024. Each takes a page of memory. Default: 64. */
  workers?: number | undefined;
  /** Alignment of every message, in bytes: a power of two from 8 (default) to 4096. */
  alignment?: number | undefined;
}

/** What goes with a message for a work queue. */
export interface DealOptions extends TagOptions {
  /** Messages of one key go to one worker, as long as no worker comes or goes. Default: to the one with the fewest waiting. */
  key?: string | undefined;
}

/**
 * The writing side of a work queue: each message goes to one of the workers ({@link Worker}), to the one with the fewest
 * messages waiting, or to the one that has had the same `key` before. It can do what a {@link Writer} can.
 *
 * Nothing that was written is lost by the death of a worker, nor by that of the dealer. There is one dealer per name; the next
 * one goes on with the workers that are there. Without workers it waits.
 *
 * ```js
 * const dealer = new kren.Dealer('thumbnails', 1 << 20);
 * for (const file of files) await dealer.writeAsync(file);
 * await dealer.flushAsync();                                       // until all the work is done
 * dealer.close();
 * ```
 */
export class Dealer extends WritingEnd<DealOptions> {
  readonly #native: NativeDealer;

  /**
   * Opens the work queue `name`, or goes on with it; each worker gets room for `capacity` bytes of messages.
   *
   * @throws {KrenError} `KREN_WRITER_EXISTS` while another dealer of this name lives; `KREN_WRONG_KIND`; otherwise as
   *   {@link Writer}
   */
  constructor(name: string, capacity: number, options?: DealerOptions) {
    const common = memberArguments(name, options);
    checkCapacity(capacity, name);
    const { workers, alignment } = checkOptions(options);
    const made = native.openDealer(
      name,
      capacity,
      ...common,
      checkWhole(workers, 'workers', name),
      checkWhole(alignment, 'alignment', name),
    );
    super(made, 'dealer', new DealingSide(made), DELIVERED);
    this.#native = made;
  }

  /** How many workers there are, as far as is known without a look. */
  get workers(): number {
    return this.#native.workers();
  }

  /** The longest message, in bytes, that the queue can ever carry. */
  get maxMessageLength(): number {
    return this.#native.maxMessageLength();
  }

  /** Closes this side: the workers get what was written, then the end. Otherwise as {@link Writer.close}. */
  override close(): void {
    super.close();
  }

  /** @internal */
  protected override keyOf({ key }: DealOptions): string | undefined {
    if (key === undefined || typeof key === 'string') return key;
    throw wrongType('key', 'a string', key);
  }

  /** @internal */
  protected override closedSide(): PuttingSide {
    return new DealingSide(this.#native);
  }
}

/** For `arm`, where else the length of a message stands. */
const DELIVERED = -1;

class DealingSide implements PuttingSide {
  readonly #native: NativeDealer;
  /** When the message that has found no worker began to wait for one. */
  #since: number | undefined;

  constructor(native: NativeDealer) {
    this.#native = native;
  }

  put(data: Uint8Array, tag: number, key?: string): boolean {
    const isDone = this.#native.tryWrite(data, tag, key);
    if (isDone) this.#since = undefined;
    return isDone;
  }

  stage(data: Uint8Array, tag: number, key?: string): boolean {
    return this.put(data, tag, key);
  }

  gather(pieces: readonly Uint8Array[], length: number, tag: number, key?: string): boolean {
    return this.put(Buffer.concat(pieces, length), tag, key);
  }

  publish(): void {}

  /** Until something has changed: not yet, perhaps, what the message waits for. */
  wait(_length: number, timeout: Timeout): void {
    this.#since ??= performance.now();
    const left = timeout < 0 ? timeout : Math.max(0, timeout - (performance.now() - this.#since));
    try {
      this.#native.wait(left);
    } catch (error) {
      this.#since = undefined;
      throw error;
    }
  }

  flush(timeout: Timeout): void {
    this.#native.flush(timeout);
  }

  drained(): boolean {
    return this.#native.drained();
  }

  arm(what: number, onReady: OnReady): void {
    this.#native.arm(what === DELIVERED ? 1 : 0, onReady);
  }

  available(): number {
    return this.#native.available();
  }

  close(): void {}
}
