import { checkOptions, checkWhole } from './arguments';
import { type MemberOptions, memberArguments } from './members';
import { type NativeSender, native, type PeerState } from './native';
import { RingWritingEnd } from './writer';

/** How to join an inbox. */
export interface SenderOptions extends MemberOptions {
  /** Bytes of this sender's messages that there is room for, where no inbox has said so. Default: 1 MiB. */
  capacity?: number | undefined;
  /** How many senders the inbox may have at a time, if this one comes first: 1 to 1024. Default: 64. */
  senders?: number | undefined;
  /** Alignment of every message, in bytes: a power of two from 8 (default) to 4096. */
  alignment?: number | undefined;
}

/**
 * One of the writing sides of an inbox ({@link Inbox}), of which there may be many. It can do what a {@link Writer} can.
 *
 * It has room of its own, so no other sender, dead or slow, is ever in its way. It may come before its inbox, and what it has
 * written is there also when it is gone.
 */
export class Sender extends RingWritingEnd {
  readonly #native: NativeSender;
  /** What the inbox finds on this sender's messages as `message.sender.number`. */
  readonly number: number;

  /**
   * Joins the inbox `name`, which need not be there yet.
   *
   * @throws {KrenError} `KREN_NO_SEAT` while all seats are taken, or hold what no inbox has read yet; `KREN_WRONG_KIND` where the
   *   name is a channel's; otherwise as {@link Writer}
   */
  constructor(name: string, options?: SenderOptions) {
    const { senders, capacity, alignment } = checkOptions(options);
    const made = native.openSender(
      name,
      ...memberArguments(name, options),
      checkWhole(senders, 'senders', name),
      checkWhole(capacity, 'capacity', name),
      checkWhole(alignment, 'alignment', name),
    );
    super(made);
    this.#native = made;
    this.number = made.number;
  }

  /** How the inbox stands: `never_attached`, `attached`, `closed` or `died`. Makes a system call. */
  get inboxState(): PeerState {
    return this.#native.inboxState();
  }

  /** Closes this side: what was written stays for the inbox. Otherwise as {@link Writer.close}. */
  override close(): void {
    super.close();
  }
}
