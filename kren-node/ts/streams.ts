// Channels as Node's streams. Each chunk is one message; back-pressure reaches the other side through the ring.

import { Readable, Writable } from 'node:stream';
import { onAbort } from './aborts';
import { type AsyncOptions, checkSignal, type Data } from './arguments';
import { connect } from './connect';
import { isEnd } from './errors';
import type { Reader, ReaderOptions } from './reader';
import { readHeld } from './reading';
import type { Held } from './sides';
import { breakOff, Writer, type WriterOptions } from './writer';

/** How many messages a stream holds at most before it asks for no more. */
export interface StreamOptions {
  /** Messages; default 16. */
  highWaterMark?: number | undefined;
}

const MESSAGES = 16;

/**
 * The channel `name` as a stream of its messages, each a Buffer. Waits for the channel to exist, as {@link connect}
 * does, and ends when its writer has closed and everything is read. Destroying it, or leaving its loop, closes the reader;
 * what it had fetched and not handed on stays in the channel, for the next reader.
 *
 * ```js
 * for await (const message of kren.readable('ticks')) handle(message);
 * ```
 *
 * The stream fails with what {@link connect} and {@link Reader.readAsync} throw, after the messages that came before.
 * What a handler of yours throws is an uncaught exception, as with any stream.
 */
export function readable(name: string, options: ReaderOptions & AsyncOptions & StreamOptions = {}): Readable {
  const { highWaterMark = MESSAGES, signal, ...rest } = options;
  return new Messages(name, rest, checkSignal(signal), highWaterMark);
}

class Messages extends Readable {
  readonly #connect: (signal: AbortSignal) => Promise<Reader>;
  readonly #giveUp = new AbortController();
  readonly #ignore: (() => void) | undefined;
  #reader: Reader | undefined;
  /** What is in the stream's buffer is held in the channel until it is handed on. */
  readonly #held: Held[] = [];
  /** A message is being fetched. */
  #isBusy = false;
  /** The stream has asked for more since the last one. */
  #isAsked = false;
  /** Told when what came before is handed on. */
  #failure: Error | undefined;

  constructor(
    name: string,
    options: ReaderOptions & AsyncOptions,
    signal: AbortSignal | undefined,
    highWaterMark: number,
  ) {
    super({ objectMode: true, highWaterMark });
    this.#connect = (giveUp) => connect(name, { ...options, signal: giveUp });
    if (signal?.aborted) this.destroy(signal.reason);
    else this.#ignore = signal && onAbort(signal, () => this.destroy(signal.reason));
  }

  override read(size?: number): Buffer | null {
    const message = super.read(size);
    this.#settle();
    return message;
  }

  override _read(): void {
    this.#isAsked = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#fetch();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#ignore?.();
    this.#giveUp.abort();
    this.#releaseHandedOn();
    this.#reader?.close();
    done(error);
  }

  #fetch(): void {
    const { signal } = this.#giveUp;
    const reader = this.#reader;
    const next = reader === undefined ? this.#connected(signal) : readHeld(reader, signal);
    next.then(
      (held) => this.#deliver(held),
      (error) => this.#end(error),
    );
  }

  async #connected(signal: AbortSignal): Promise<Held> {
    const reader = await this.#connect(signal);
    if (this.destroyed) reader.close();
    this.#reader = reader;
    return readHeld(reader, signal);
  }

  #deliver(held: Held): void {
    // Closed meanwhile: it was not released, so that it is the next reader's.
    if (this.destroyed) return;
    this.#held.push(held);
    this.#isAsked = false;
    // A handler that throws has had its message, and the stream goes on.
    const hasRoom = this.#handOn(held.message) ?? true;
    this.#settle();
    if (hasRoom || this.#isAsked) this.#fetch();
    else this.#isBusy = false;
  }

  #end(error: Error): void {
    if (this.destroyed) return;
    if (isEnd(error)) {
      this.#handOn(null);
    } else {
      this.#failure = error;
      this.#settle();
    }
  }

  #handOn(message: Buffer | null): boolean | undefined {
    return apart(() => this.push(message));
  }

  #settle(): void {
    if (this.destroyed) return;
    this.#releaseHandedOn();
    if (this.#failure !== undefined && this.readableLength === 0) this.destroy(this.#failure);
  }

  #releaseHandedOn(): void {
    while (this.#held.length > this.readableLength) this.#held.shift()?.release();
  }
}

/**
 * A stream whose chunks become the messages of the channel `name`, which it creates, or goes on with. Ending it closes
 * the channel: the reader gets what was written, then the end. A stream that is destroyed with an error, or with chunks
 * that were not written yet, is no end: the reader gets what was written, then `KREN_PEER_DIED`.
 *
 * ```js
 * source.pipe(kren.writable('ticks', 1024 * 1024));
 * ```
 *
 * Throws what the constructor of {@link Writer} throws, and fails with what {@link Writer.writeAsync} throws.
 */
export function writable(
  name: string,
  capacity: number,
  options: WriterOptions & StreamOptions = {},
): Writable {
  const { highWaterMark = MESSAGES, ...rest } = options;
  return new Chunks(new Writer(name, capacity, rest), highWaterMark);
}

class Chunks extends Writable {
  readonly #writer: Writer;
  readonly #giveUp = new AbortController();
  /** Of text that comes without one. Node.js keeps it too, and does not tell it to a stream of objects. */
  #encoding: BufferEncoding = 'utf8';

  constructor(writer: Writer, highWaterMark: number) {
    super({ objectMode: true, highWaterMark });
    this.#writer = writer;
  }

  override setDefaultEncoding(encoding: BufferEncoding): this {
    super.setDefaultEncoding(encoding);
    this.#encoding = encoding;
    return this;
  }

  override _write(
    chunk: Data,
    encoding: BufferEncoding | undefined,
    done: (error?: Error | null) => void,
  ): void {
    this.#send(chunk, encoding || this.#encoding).then(
      () => apart(done),
      (error) => apart(() => done(error)),
    );
  }

  async #send(chunk: Data, encoding: BufferEncoding): Promise<void> {
    const data = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    return this.#writer.writeAsync(data, { signal: this.#giveUp.signal });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#writer.close();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#giveUp.abort();
    if (error || this.writableLength > 0) breakOff(this.#writer);
    else this.#writer.close();
    done(error);
  }
}

/** Calls what runs handlers of the user: what they throw is theirs, and nothing that happened to the channel. */
function apart<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return undefined;
  }
}
