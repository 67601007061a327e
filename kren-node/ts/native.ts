// What the native layer offers.

import { findAddon } from './addon';
import { KrenError } from './errors';

/** What is known of the other side of a channel. */
export type PeerState = 'never_attached' | 'attached' | 'closed' | 'died';

/** Milliseconds; a negative number stands for "for ever". */
type Timeout = number;

/** What every endpoint of the native layer has. */
export interface NativeEnd {
  readonly name: string;
  /** Whether the name was taken away. */
  isRemoved(): boolean;
  setRef(on: boolean): void;
  close(): void;
}

/** What both endpoints of a ring have. */
export interface NativeEndpoint extends NativeEnd {
  readonly capacity: number;
  readonly alignment: number;
  readonly schema: string;
  available(): number;
  peerState(): PeerState;
  /**
   * Has `onReady` called once, when the endpoint can go on (for a writer: with a message of `length` bytes)
   * or never will. Does nothing while a wait for the same length is under way, and replaces one for another.
   */
  arm(length: number, onReady: (failure?: KrenError) => void): void;
}

/** The halves of a position, and of the number of messages before it. */
export interface Place {
  /** In which of the channels of the name that the reader has been in; for the native layer alone. */
  readonly moves?: number;
  readonly low: number;
  readonly high: number;
  readonly countLow: number;
  readonly countHigh: number;
}

/** What it takes to work the ring from JavaScript. Offsets are from the start of the buffer. */
export interface Outline {
  /** The whole mapping. Kept to ourselves, and one per mapping: it cannot be taken back in parts. */
  readonly buffer: ArrayBuffer;
  readonly ownPage: number;
  readonly peerPage: number;
  readonly data: number;
  /** Without the mirror, which lies behind. */
  readonly dataLength: number;
  /** The halves of the next position, and of the number of messages before it. */
  readonly low: number;
  readonly high: number;
  readonly countLow: number;
  readonly countHigh: number;
  /** Whether a publisher must fence before it looks at its peer's ticket. */
  readonly fences: boolean;
  /** Whether it is worth while to poll before sleeping. */
  readonly spins: boolean;
  /** Of a publisher, the offset of the word that changes when a subscriber goes to sleep (broadcast.md, B10); else 0. */
  readonly epoch: number;
}

/** What the ring in JavaScript calls. The native side learns only through `standAt` how far it has come. */
interface NativeRing {
  /** `undefined` where JavaScript cannot have it. From then on the ring is moved from JavaScript alone. */
  ring(): Outline | undefined;
  standAt(low: number, high: number, countLow: number, countHigh: number): void;
  /**
   * Wakes the other side if it sleeps for what was published. Of a publisher: whether every sleep that was announced
   * before has been answered.
   */
  answer(): boolean | undefined;
  /** An ArrayBuffer over a payload, to be detached before that place is lent again. */
  lend(offset: number, length: number): ArrayBuffer;
}

/** What a publisher knows of one of its subscribers. */
export interface KnownSubscriber {
  /** The number of its seat, from 1. */
  readonly seat: number;
  /**
   * The process that holds the seat, or held it last; 0 where its number means nothing here, as that of another
   * container's process.
   */
  readonly pid: number;
  /** Whether it is there. Who has closed or died is listed only if it is durable. */
  readonly state: PeerState;
  /** Whether it never holds the publisher up. */
  readonly lossy: boolean;
  /** Whether it holds the publisher up also when it is gone. */
  readonly durable: boolean;
  /** How many messages it has not released. */
  readonly behind: number;
  /** How many bytes of the ring these take. */
  readonly behindBytes: number;
}

export interface NativeWriter extends NativeEndpoint, NativeRing {
  readonly maxMessageLength: number;
  /** Of a publisher: whether so many subscribers are there. */
  subscribed(count: number): boolean;
  /** As `arm`, for so many subscribers. */
  armSubscribers(count: number, onReady: (failure?: KrenError) => void): void;
  /** By their order. */
  subscribers(): Record<string, KnownSubscriber>;
  wait(length: number, timeout: Timeout): void;
  /** Bytes of records that may be stored now, if one of `stride` may; else 0. */
  free(stride: number): number;
  /** Copies a payload into the ring, at an offset into its buffer. */
  store(offset: number, data: Uint8Array): void;
  tryWrite(data: ArrayBufferView, tag: number): boolean;
  flush(timeout: Timeout): void;
  drained(): boolean;
  /** As `close`, but to the reader it is a death. */
  breakOff(): void;
  /** As `close`, and what is undelivered may go. */
  closeDiscarding(): void;
}

/** The length of a message that was put into the pool, or the message itself where it was too long for that. */
type Taken = number | Buffer;

export interface NativeReader extends NativeEndpoint, NativeRing {
  held(): number;
  /** Throws if the ring is damaged. */
  check(): void;
  /**
   * Whether messages may be overwritten while they are read, so that all that is handed out is a copy, which is judged
   * before. Then there is no `ring()`.
   */
  isChecked(): boolean;
  /** Of a subscriber: its place is kept no more. */
  giveUpPlace(): void;
  /** Copies `length` bytes at `offset` in the mapping to the start of `target`. */
  copyOut(target: Uint8Array, offset: number, length: number): void;
  /** For the ring in JavaScript, which has polled already. */
  wait(timeout: Timeout): void;
  waitReadable(timeout: Timeout): void;
  /**
   * The length of the next message, put into `target` if it fits there; if not it stays. What is taken with `holds` is
   * not given back to the writer before `releaseTo`.
   */
  readInto(target: Uint8Array, holds: boolean): number | undefined;
  /** The length of the next message, of which `target` is given as much as it takes. It stays. */
  look(target: Uint8Array): number | undefined;
  tryRead(pool: Uint8Array, offset: number, holds: boolean): Taken | undefined;
  /** Up to where has been read. */
  here(): Place;
  releaseTo(low: number, high: number, countLow: number, countHigh: number, moves: number): void;
  /**
   * Looks for a writer that has come; the sum of 1 when one has, 2 when the reader stands in a new channel since the last
   * time (whose ring and figures are to be asked for), and 4 when it will once everything here is read.
   */
  follow(): number;
  figures(): { capacity: number; alignment: number; schema: string };
  lastTag(): number;
  peerClosed(): boolean;
}

/** What reads the messages of many. */
export interface NativeIntake extends NativeEnd {
  /**
   * The next message: its length, having been put into `room` at `offset`, or itself where it does not fit or is longer than what
   * the pool takes. Flags: 1 holds it until `release`, 2 puts it there however long it is. `notes` gets what is known of it.
   */
  take(room: Uint8Array, offset: number, flags: number, notes: Uint32Array): Taken | undefined;
  release(number: number): void;
  wait(timeout: Timeout): void;
  arm(what: number, onReady: (failure?: KrenError) => void): void;
}

/** One of those who send to an inbox, or call a service. */
export interface Member {
  /** Tells it from every other that there has been under this name. */
  readonly number: number;
  /** Its process; 0 where its number means nothing here, as that of another container's process. */
  readonly pid: number;
}

/** A sender that is gone, and from which nothing more comes. */
export interface Departure extends Member {
  /** Whether it died; else it has closed. */
  readonly died: boolean;
}

export interface NativeInbox extends NativeIntake {
  /** By their order. */
  departures(): Record<string, Departure>;
  senders(): Record<string, Member>;
  available(): number;
}

export interface NativeSender extends NativeWriter {
  readonly number: number;
  inboxState(): PeerState;
}

export interface NativeWorker extends NativeIntake {
  dealerState(): PeerState;
}

export interface NativeDealer extends NativeEnd {
  tryWrite(data: ArrayBufferView, tag: number, key: string | undefined): boolean;
  /** Until something has changed for the workers since the last message that found none. */
  wait(timeout: Timeout): void;
  flush(timeout: Timeout): void;
  drained(): boolean;
  /** For a change (0), or the end of delivery (1). */
  arm(what: number, onReady: (failure?: KrenError) => void): void;
  workers(): number;
  available(): number;
  maxMessageLength(): number;
}

export interface NativeClient extends NativeEnd {
  /** The number of the call; `undefined` while there is no room for the request. */
  start(
    data: ArrayBufferView,
    tag: number,
    timeout: Timeout,
    method: string,
    retry: boolean,
  ): number | undefined;
  /**
   * The next answer to whichever call: its length, having been put into the pool, or itself; or the error that the call has come
   * to. `notes` gets the tag, the halves of the call's number, and what it is: 0 one of several, 1 the last or only one,
   * 2 an end, 3 an error.
   */
  next(pool: Uint8Array, offset: number, notes: Uint32Array): Taken | KrenError | undefined;
  cancel(number: number): void;
  arm(what: number, onReady: (failure?: KrenError) => void): void;
  /** For room for a request of `length` bytes. */
  armRoom(length: number, onReady: (failure?: KrenError) => void, method: string): void;
  setRoomRef(on: boolean): void;
  serverState(): PeerState;
  late(): number;
  maxRequestLength(): number;
}

export interface NativeServer extends NativeEnd {
  /**
   * The next request: its length, having been put into the pool, or itself. `notes` gets the tag, the halves of the client's number, its
   * process, the milliseconds that it still waits (2^32 - 1: for ever), whether it names a method, and the request's number.
   */
  next(pool: Uint8Array, offset: number, notes: Uint32Array): Taken | undefined;
  method(number: number): string;
  reply(number: number, data: ArrayBufferView, tag: number): void;
  item(number: number, data: ArrayBufferView, tag: number): void;
  end(number: number): void;
  fail(number: number, code: number, text: string): void;
  drop(number: number): void;
  isCancelled(number: number): boolean;
  wait(timeout: Timeout): void;
  arm(what: number, onReady: (failure?: KrenError) => void): void;
  /** By their order. */
  clients(): Record<string, Member>;
}

/** What all that stand on a registry are opened with. */
type Common = [mode: number | undefined, anyOwner: boolean | undefined, strategy: string | undefined];

export interface Connecting {
  take(): NativeReader | undefined;
  cancel(): void;
}

type SubscriberArguments = [
  anyOwner: boolean | undefined,
  strategy: string | undefined,
  prefault: boolean | undefined,
  machineWide: boolean | undefined,
  live: boolean | undefined,
  /** 0: at the newest, 1: at the oldest, 2: behind `number` messages. */
  start: number,
  number: number,
  lossy: boolean | undefined,
  durable: string | undefined,
];

interface Functions {
  /** Closes every endpoint of this thread. */
  closeAll(): void;
  detach(buffer: ArrayBuffer): void;
  /** To be called before memory for long messages is allocated, once. */
  expectLong(): void;
  openWriter(
    name: string,
    capacity: number,
    mode?: number,
    alignment?: number,
    fresh?: boolean,
    anyOwner?: boolean,
    strategy?: string,
    prefault?: boolean,
    machineWide?: boolean,
    schemaName?: string,
    schemaText?: string,
  ): NativeWriter;
  openReader(
    name: string,
    timeout?: Timeout,
    anyOwner?: boolean,
    strategy?: string,
    prefault?: boolean,
    machineWide?: boolean,
    live?: boolean,
    newest?: boolean,
    schemaName?: string,
    schemaText?: string,
  ): NativeReader;
  openPublisher(
    ...options: [...ring: Parameters<Functions['openWriter']>, seats?: number, patience?: Timeout]
  ): NativeWriter;
  openSubscriber(name: string, timeout: Timeout | undefined, ...options: SubscriberArguments): NativeReader;
  connectSubscriber(
    name: string,
    timeout: Timeout,
    ...options: [...SubscriberArguments, onDone: () => void]
  ): Connecting;
  openSender(
    name: string,
    ...options: [...Common, senders?: number, capacity?: number, alignment?: number]
  ): NativeSender;
  openInbox(name: string, capacity: number, ...options: [...Common, senders?: number]): NativeInbox;
  openDealer(
    name: string,
    capacity: number,
    ...options: [...Common, workers?: number, alignment?: number]
  ): NativeDealer;
  openClient(name: string, ...options: [...Common, clients?: number, capacity?: number]): NativeClient;
  openServer(
    name: string,
    ...options: [...Common, clients?: number, capacity?: number, standby?: Timeout]
  ): NativeServer;
  openWorker(name: string, ...options: [...Common, workers?: number, ahead?: number]): NativeWorker;
  connect(
    name: string,
    timeout: Timeout,
    anyOwner: boolean | undefined,
    strategy: string | undefined,
    prefault: boolean | undefined,
    machineWide: boolean | undefined,
    live: boolean | undefined,
    newest: boolean | undefined,
    schemaName: string | undefined,
    schemaText: string | undefined,
    onDone: () => void,
  ): Connecting;
}

interface Addon {
  load(
    makeError: (...error: ConstructorParameters<typeof KrenError>) => Error,
    nothing: () => void,
  ): Functions;
  errorCodes(): { name: string; number: number }[];
  /** What is known of all channels, or of one; or the error that it came to. */
  look(
    name: string | undefined,
  ): { channels: object[] } | { number: number; message: string; channel: string };
  version(): string;
}

/** @internal */
export const addon = findAddon() as Addon;

/** @internal */
export const native: Functions = addon.load(
  (...error) => new KrenError(...error),
  () => {},
);

// Bun ends processes without a word to native code, which would look like a death to the other side.
if (process.versions.bun !== undefined) {
  const close = (): void => native.closeAll();
  process.on('exit', close);
  // Behind the handlers of others, who may have a last message to write.
  process.on('newListener', (event, listener) => {
    if (event === 'exit' && listener !== close)
      queueMicrotask(() => process.off('exit', close).on('exit', close));
  });
}
