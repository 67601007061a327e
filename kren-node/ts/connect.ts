import { onAbort } from './aborts';
import { type AsyncOptions, checkName, checkSignal, checkTimeout } from './arguments';
import { KrenError } from './errors';
import { native } from './native';
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
  try {
    checkName(name);
    const { timeout, ...rest } = checkReaderOptions(name, options);
    const signal = checkSignal(options?.signal);
    signal?.throwIfAborted();
    try {
      return Promise.resolve(new Reader(name, rest));
    } catch (error) {
      // Timed out at once: the channel is there, and not the live writer that was asked for.
      const isMissing = error instanceof KrenError && /^KREN_(NOT_FOUND|TIMED_OUT)$/.test(error.code);
      if (!isMissing || timeout === 0) throw error;
    }
    return later(name, rest, timeout ?? checkTimeout(undefined, name), signal);
  } catch (error) {
    return Promise.reject(error);
  }
}

function later(
  name: string,
  { anyOwner, strategy, prefault, machineWide, live, start }: ReaderOptions,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      ignore?.();
      try {
        const reader = connecting.take();
        if (reader) resolve(adopt(reader));
      } catch (error) {
        reject(error);
      }
    };
    const connecting = native.connect(
      name,
      timeout,
      anyOwner,
      strategy,
      prefault,
      machineWide,
      live,
      start === 'newest',
      done,
    );
    const ignore =
      signal &&
      onAbort(signal, () => {
        connecting.cancel();
        reject(signal.reason);
      });
  });
}
