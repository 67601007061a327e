import { checkCapacity, checkFunction, checkOptions, checkWhole } from './arguments';
import type { Borrowed } from './borrowed';
import { ManySide, type Notes, type Told } from './many';
import { type MemberOptions, memberArguments } from './members';
import { type Departure, type Member, type NativeInbox, native } from './native';
import { ReadingEnd } from './reading';
import type { OnReady, TakingSide } from './sides';

/** How to open an inbox. */
export interface InboxOptions extends MemberOptions {
  /** How many senders there may be at a time: 1 to 1024. Each takes a page of memory. Default: 64. */
  senders?: number | undefined;
  /**
   * Called with each sender that is gone, once all that it had written was read: while an asynchronous call waits, and for a
   * death within 200 ms. Without it, {@link Inbox.departures} tells of them.
   */
  onDeparture?: ((departure: Departure) => void) | undefined;
}

/** What is known of a message of an inbox. */
export interface LetterNotes {
  /** Who sent it. */
  readonly sender: Member;
}

/** A message of an inbox: a Buffer that says who sent it, and with what tag. */
export type Letter = Told<LetterNotes>;

/** A message of an inbox, from {@link Inbox.borrow} and {@link Inbox.lend}: a copy, whose room its sender gets back when it is released. */
export type BorrowedLetter = Borrowed & LetterNotes;

/**
 * The reading side of an inbox, into which any number of senders ({@link Sender}) write. It can do what a {@link Reader} can.
 *
 * Messages of one sender come in their order; those of several are taken in turn. What a sender committed before it died
 * arrives whole, and then its end is told. An inbox that died is succeeded by the next one of its name, which gets all that was
 * not read. There is one per name; it waits for senders that are still to come, so a loop over it ends when it is closed.
 *
 * ```js
 * for await (const message of inbox) console.log(message.sender.pid, String(message));
 * ```
 */
export class Inbox extends ReadingEnd<Letter, BorrowedLetter> {
  readonly #native: NativeInbox;
  readonly #book: SenderBook;
  readonly #onDeparture: ((departure: Departure) => void) | undefined;

  /**
   * Opens the inbox `name`, or goes on with it. Each sender that joins from now on gets room for `capacity` bytes of messages.
   *
   * @throws {KrenError} `KREN_WRITER_EXISTS` while another inbox of this name lives; `KREN_WRONG_KIND`; otherwise as
   *   {@link Writer}
   */
  constructor(name: string, capacity: number, options?: InboxOptions) {
    const common = memberArguments(name, options);
    checkCapacity(capacity, name);
    const { senders, onDeparture } = checkOptions(options);
    const tell = checkFunction(onDeparture, 'onDeparture');
    const made = native.openInbox(name, capacity, ...common, checkWhole(senders, 'senders', name));
    const book = new SenderBook();
    super(made, 'inbox', letters(made, book));
    this.#native = made;
    this.#book = book;
    this.#onDeparture = tell;
  }

  /** Who sent the message that was handed out last. */
  get lastSender(): Member | undefined {
    return this.#book.last;
  }

  /** The senders that are there, and those that are gone and have messages left. */
  get senders(): Member[] {
    return Object.values(this.#native.senders());
  }

  /**
   * The senders that are gone since the last call, each once all that it had written was read; none where `onDeparture` was
   * given. A death is noticed within 200 ms while a call waits.
   */
  departures(): Departure[] {
    const gone = Object.values(this.#native.departures());
    for (const { number } of gone) this.#book.forget(number);
    return gone;
  }

  /** Bytes that unread messages of all senders take, 8 more for each than its length. */
  get available(): number {
    return this.#native.available();
  }

  /** Closes this side: what was not read stays for the next inbox of this name. Otherwise as {@link Reader.close}. */
  override close(): void {
    super.close();
  }

  /** @internal */
  protected override arm(what: number, onReady: OnReady): void {
    this.#tell();
    super.arm(what, onReady);
  }

  /** @internal */
  protected override closedSide(): TakingSide<Letter> {
    return letters(this.#native, this.#book);
  }

  /** Before each wait: who had gone until then has woken the one before. */
  #tell(): void {
    if (this.#onDeparture === undefined) return;
    for (const departure of this.departures()) queueMicrotask(() => this.#onDeparture?.(departure));
  }
}

function letters(native: NativeInbox, book: SenderBook): TakingSide<Letter> {
  return new ManySide(native, (notes) => ({ sender: book.find(notes) }), false);
}

/** One object for each sender, since its messages are many. */
class SenderBook {
  /** Who sent the message that was handed out last. */
  last: Member | undefined;
  readonly #known = new Map<number, Member>();

  find(notes: Notes): Member {
    const [, low = 0, high = 0, pid = 0] = notes;
    const number = high * 2 ** 32 + low;
    let sender = this.#known.get(number);
    if (sender === undefined) {
      sender = Object.freeze({ number, pid });
      this.#known.set(number, sender);
    }
    this.last = sender;
    return sender;
  }

  forget(number: number): void {
    this.#known.delete(number);
  }
}
