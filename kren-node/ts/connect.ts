import { onAbort } from './aborts';
import { type AsyncOptions, checkName, checkOptions, checkSignal, checkTimeout } from './arguments';
import { KrenError } from './errors';
import { type Connecting, type NativeReader, native } from './native';
import { adopt, checkReaderOptions, Reader, type ReaderOptions } from './reader';

/**
 * A reader of the channel `name`, waiting for the channel to exist without blocking the event loop.
 *
 * Without `timeout` it waits as long as it takes. The wait keeps the process alive.
 *
 * @throws {KrenError} (as a rejection) `KREN_NOT_FOUND` when the timeout passed first (`KREN_TIMED_OUT` where the channel is
 *   there, and not the `live` writer that was asked for), and as the constructor of
 *   {@link Reader}; and whatever reason `signal` was aborted with
 */
export function connect(name: string, options?: ReaderOptions & AsyncOptions): Promise<Reader> {
  return searching(name, options, {
    now: () => new Reader(name, { ...options, timeout: undefined }),
    later: (timeout, done) => {
      const { anyOwner, strategy, prefault, machineWide, live, start, schema } = checkReaderOptions(
        name,
        options,
      );
      return native.connect(
        name,
        timeout,
        anyOwner,
        strategy,
        prefault,
        machineWide,
        live,
        start === 'newest',
        schema?.name,
        schema?.text,
        done,
      );
    },
    adopt,
  });
}

/** How to find what is looked for. */
interface Search<T> {
  /** Without waiting. */
  now(): T;
  /** In a thread of its own, which calls `done` at the end. */
  later(timeout: number, done: () => void): Connecting;
  /** Makes it of what the thread has found. */
  adopt(found: NativeReader): T;
}

/** What `search` finds, at once or by and by. @internal */
export function searching<T>(name: string, options: AsyncOptions | undefined, search: Search<T>): Promise<T> {
  try {
    checkName(name);
    const checked = checkOptions(options);
    const timeout = checkTimeout(checked.timeout, name);
    const signal = checkSignal(checked.signal);
    signal?.throwIfAborted();
    try {
      return Promise.resolve(search.now());
    } catch (error) {
      // Timed out at once: the channel is there, and not the live writer that was asked for.
      const isMissing = error instanceof KrenError && /^KREN_(NOT_FOUND|TIMED_OUT)$/.test(error.code);
      if (!isMissing || timeout === 0) throw error;
    }
    return later(search, timeout, signal);
  } catch (error) {
    return Promise.reject(error);
  }
}

function later<T>(search: Search<T>, timeout: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      ignore?.();
      try {
        const found = connecting.take();
        if (found) resolve(search.adopt(found));
      } catch (error) {
        reject(error);
      }
    };
    const connecting = search.later(timeout, done);
    const ignore =
      signal &&
      onAbort(signal, () => {
        connecting.cancel();
        reject(signal.reason);
      });
  });
}
