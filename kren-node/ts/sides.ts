// What the Reader and the Writer do their work with: a side of the ring, worked from JavaScript (ring-reader.ts,
// ring-writer.ts) or, where that cannot be, by the native layer (native-reader.ts, native-writer.ts).

import type { KrenError } from './errors';

/** What an asynchronous call waits with; see NativeEndpoint.arm. */
export type OnReady = (failure?: KrenError) => void;

/** Milliseconds; a negative number stands for "for ever". */
export type Timeout = number;

/** Memory that is lent to the user: part of the ring, or a copy. */
export interface Loan {
  readonly bytes: Buffer;
  readonly tag: number;
  readonly channel: string;
  /** What else the user is to know of it. */
  readonly about?: object;
  /** Gives it back, and takes it away from whoever still holds it. */
  end(): void;
}

/** A message that was copied out and is the channel's all the same, as long as `release` was not called. */
export interface Held {
  readonly message: Buffer;
  release(): void;
}

/** From whatever it reads. */
export interface TakingSide<M extends Buffer = Buffer> {
  /** The tag of the message that was taken last. */
  lastTag: number;
  /** The next message, if it is there: a copy in memory that V8 owns. */
  take(): M | undefined;
  /** The same, held: if it is not released before the side is closed, the next reader gets it. */
  takeHeld(): Held | undefined;
  /** Up to `max` messages that are there. */
  takeMany(max: number): M[];
  /** The length of the next message, having copied it to `target`; `undefined` if there is none. */
  takeInto(target: Uint8Array): number | undefined;
  /** The next message where it lies, if it is there. */
  borrow(): Loan | undefined;
  /** Shows the next message, if it is there, to `use`, which keeps nothing of it, and gives what that gives. It stays. */
  look<T>(use: (message: Uint8Array) => T): T | undefined;
  /** Takes the next message, which is there, and lets it go. */
  skip(): void;
  /** Waits, blocking the thread, until there is a message. */
  wait(timeout: Timeout): void;
  /** For a message (0), or what else there is. */
  arm(what: number, onReady: OnReady): void;
  /** Ends all loans. Nothing else may be called afterwards. */
  close(): void;
}

/** From a ring. `arm` also waits for a writer (1). */
export interface ReadingSide extends TakingSide {
  /** See NativeReader.follow. A side whose channel was left may still be given back what it lent, and nothing else. */
  follow(): number;
  available(): number;
  held(): number;
  /** How many messages have come before the next one. */
  count(): number;
}

/** A place in the ring to build a message in. */
export interface Room {
  readonly bytes: Buffer;
  /** Ends the room, and sends its first `length` bytes. */
  commit(length: number, tag: number): void;
  /** Ends the room, and sends nothing. */
  abort(): void;
}

/** To wherever it writes. A `key` is for where there are several readers: those of the same one go to the same. */
export interface PuttingSide {
  /** Writes a message if there is room for it; tells whether it did. */
  put(data: Uint8Array, tag: number, key?: string): boolean;
  /** As `put`, but nothing is seen of it before `publish`, which a `put` implies. */
  stage(data: Uint8Array, tag: number, key?: string): boolean;
  /** As `put`, of a message in pieces, which have `length` bytes together. */
  gather(pieces: readonly Uint8Array[], length: number, tag: number, key?: string): boolean;
  publish(): void;
  /** Waits, blocking the thread, until a message of `length` bytes fits. */
  wait(length: number, timeout: Timeout): void;
  flush(timeout: Timeout): void;
  drained(): boolean;
  arm(length: number, onReady: OnReady): void;
  available(): number;
  close(): void;
}

/** To a ring. */
export interface WritingSide extends PuttingSide {
  /** Room for `length` bytes, if there is. */
  reserve(length: number): Room | undefined;
}
