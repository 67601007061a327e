import { checkOptions, checkWhole } from './arguments';
import type { Borrowed } from './borrowed';
import { ManySide, type Notes, type Told } from './many';
import { type MemberOptions, memberArguments } from './members';
import { type NativeWorker, native, type PeerState } from './native';
import { ReadingEnd } from './reading';
import type { TakingSide } from './sides';

/** How to join a work queue. */
export interface WorkerOptions extends MemberOptions {
  /**
   * How many messages, done ones apart, the dealer gives to this worker at most: 1 where each takes long, so that none waits
   * for it while others are free. Default: as many as there is room for.
   */
  ahead?: number | undefined;
  /** How many workers the queue may have at a time, if this one comes first: 1 to 1024. Default: 64. */
  workers?: number | undefined;
}

/** What is known of a message of a work queue. */
export interface WorkNotes {
  /** Whether a worker that is gone may have had it before: its work may be done already, or half. */
  readonly redelivered: boolean;
}

/** A message of a work queue: a Buffer that says whether somebody else may have begun with it, and its tag. */
export type Work = Told<WorkNotes>;

/** A message of a work queue, from {@link Worker.borrow} and {@link Worker.lend}: a copy, whose work is done when it is released. */
export type BorrowedWork = Borrowed & WorkNotes;

function about(notes: Notes): WorkNotes {
  return { redelivered: notes[4] === 1 };
}

/**
 * One of the reading sides of a work queue ({@link Dealer}): each message goes to one worker. It can do what a {@link Reader}
 * can, and differs in one thing: **a message is the worker's until its work is done**. That is said by {@link done}, or by
 * asking for the next message, as a loop does. What a worker had not done when it died, or was closed, goes to another one, marked
 * `redelivered`: at least once, nothing is lost.
 *
 * ```js
 * const worker = new kren.Worker('thumbnails', { ahead: 1 });
 * for await (const work of worker) await resize(work);            // done when the loop asks for the next one
 * ```
 *
 * For several at a time: `borrowAsync()` for each, and `release()` when it is done.
 *
 * Beside the class of `node:worker_threads` it takes another name:
 * `import { Worker as QueueWorker } from '@pawanxz/kren'`, or `kren.Worker`.
 */
export class Worker extends ReadingEnd<Work, BorrowedWork> {
  readonly #native: NativeWorker;
  #side: ManySide<WorkNotes>;

  /**
   * Joins the work queue `name`, whose dealer need not be there yet.
   *
   * @throws {KrenError} `KREN_NO_SEAT` while all seats are taken; `KREN_WRONG_KIND`; otherwise as {@link Writer}
   */
  constructor(name: string, options?: WorkerOptions) {
    const { workers, ahead } = checkOptions(options);
    const made = native.openWorker(
      name,
      ...memberArguments(name, options),
      checkWhole(workers, 'workers', name),
      checkWhole(ahead, 'ahead', name),
    );
    const side = new ManySide(made, about, true);
    super(made, 'worker', side);
    this.#native = made;
    this.#side = side;
  }

  /** What was read is done, but for what is borrowed: it goes to nobody else. */
  done(): void {
    this.#side.done();
  }

  /** How the dealer stands: `never_attached`, `attached`, `closed` or `died`. Makes a system call. */
  get dealerState(): PeerState {
    return this.#native.dealerState();
  }

  /**
   * Closes this side: what is not {@link done} goes to other workers, the message that was read last as well. Otherwise as
   * {@link Reader.close}.
   */
  override close(): void {
    super.close();
  }

  /** @internal */
  protected override closedSide(): TakingSide<Work> {
    this.#side = new ManySide(this.#native, about, true);
    return this.#side;
  }
}
