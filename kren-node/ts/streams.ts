// Channels as Node's streams. Each chunk is one message; back-pressure reaches the other side through the ring.

import { Readable, type ReadableOptions, Writable, type WritableOptions } from 'node:stream';
import type { AsyncOptions, Data } from './arguments';
import { connect } from './connect';
import { isEnd } from './errors';
import type { Reader, ReaderOptions } from './reader';
import { Writer, type WriterOptions } from './writer';

/** How many messages a stream holds at most before it asks for no more. */
export interface StreamOptions {
  /** Messages; default 16. */
  highWaterMark?: number | undefined;
}

const MESSAGES = 16;

/**
 * The channel `name` as a stream of its messages, each a Buffer. Waits for the channel to exist, as {@link connect}
 * does, and ends when its writer has closed and everything is read. Destroying it closes the reader; what it had
 * taken from the channel and not handed on is lost then.
 *
 * ```js
 * for await (const message of kren.readable('ticks')) handle(message);
 * ```
 *
 * The stream fails with what {@link connect} and {@link Reader.readAsync} throw.
 */
export function readable(name: string, options: ReaderOptions & AsyncOptions & StreamOptions = {}): Readable {
  const { highWaterMark = MESSAGES, ...rest } = options;
  const giveUp = new AbortController();
  const signal = rest.signal ? anyOf(rest.signal, giveUp) : giveUp.signal;
  let reader: Reader | undefined;
  let isReading = false;
  /** Moves messages to the stream until it has enough, or there are no more. */
  const pump = async (stream: Readable): Promise<void> => {
    try {
      reader ??= await connect(name, { ...rest, signal });
      while (stream.push(await reader.readAsync({ signal })));
      // At once, not when the promise is settled: the stream may ask again before that.
      isReading = false;
    } catch (error) {
      if (stream.destroyed) reader?.close();
      else if (isEnd(error)) stream.push(null);
      else stream.destroy(error as Error);
    }
  };
  const implementation: ReadableOptions = {
    objectMode: true,
    highWaterMark,
    read() {
      if (isReading) return;
      isReading = true;
      void pump(this);
    },
    destroy(error, done) {
      giveUp.abort();
      reader?.close();
      done(error);
    },
  };
  return new Readable(implementation);
}

/**
 * A stream whose chunks become the messages of the channel `name`, which it creates, or goes on with. Ending it closes
 * the channel: the reader gets what was written, then the end.
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
  const writer = new Writer(name, capacity, rest);
  const giveUp = new AbortController();
  const implementation: WritableOptions = {
    objectMode: true,
    highWaterMark,
    write(chunk: Data, _encoding, done) {
      writer.writeAsync(chunk, { signal: giveUp.signal }).then(() => done(), done);
    },
    final(done) {
      writer.close();
      done();
    },
    destroy(error, done) {
      giveUp.abort();
      writer.close();
      done(error);
    },
  };
  return new Writable(implementation);
}

/** Aborted with either of the two; AbortSignal.any came with Node 20.3. */
function anyOf(signal: AbortSignal, controller: AbortController): AbortSignal {
  if (signal.aborted) controller.abort(signal.reason);
  signal.addEventListener('abort', () => controller.abort(signal.reason), {
    once: true,
    signal: controller.signal,
  });
  return controller.signal;
}
