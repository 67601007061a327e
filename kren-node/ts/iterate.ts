// Ways through the messages of a channel, one after the other, until its writer has closed.

import { onAbort } from './aborts';
import { Borrowed } from './borrowed';
import { isEnd } from './errors';
import type { Loan } from './sides';

const END: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/** What {@link Reader.lend} gives: to be gone through with `for`, or with `for await`. */
export interface Lending<L extends Borrowed = Borrowed> extends Iterable<L>, AsyncIterable<L> {}

/** What `take` gives, until the end. */
export function* inTurn<T>(take: () => T): Generator<T, undefined, undefined> {
  for (;;) {
    let taken: T;
    try {
      taken = take();
    } catch (error) {
      if (isEnd(error)) return;
      throw error;
    }
    yield taken;
  }
}

/**
 * What `take` gives, until the end. An iteration that is left gives up the `take` that waits, so that no message goes
 * to somebody who has turned away, and nothing keeps the process alive.
 */
export function inTurnAsync<T>(
  take: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): AsyncIterableIterator<T> {
  const giveUp = new AbortController();
  const ignore = signal && onAbort(signal, () => giveUp.abort(signal.reason));
  let isOver = false;
  const end = (): typeof END => {
    isOver = true;
    ignore?.();
    return END;
  };
  return {
    next: async () => {
      if (isOver) return END;
      try {
        giveUp.signal.throwIfAborted();
        return { done: false, value: await take(giveUp.signal) };
      } catch (error) {
        end();
        // END: given up by `return`.
        if (error === END || isEnd(error)) return END;
        throw error;
      }
    },
    return: () => {
      end();
      giveUp.abort(END);
      return Promise.resolve(END);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** What `borrow` and `borrowAsync` give, each lent until the next one is asked for or the loop is left. */
export function lending<L extends Borrowed>(
  borrow: () => Loan,
  borrowAsync: (signal: AbortSignal) => Promise<Loan>,
  signal: AbortSignal | undefined,
): Lending<L> {
  return {
    *[Symbol.iterator]() {
      let lent: Borrowed | undefined;
      try {
        for (const loan of inTurn(borrow)) {
          lent = new Borrowed(loan);
          yield lent as L;
          lent.release();
        }
      } finally {
        lent?.release();
      }
    },
    [Symbol.asyncIterator]() {
      let lent: Borrowed | undefined;
      const loans = inTurnAsync(borrowAsync, signal);
      return {
        next: async () => {
          lent?.release();
          const { done, value } = await loans.next();
          if (done) return END;
          lent = new Borrowed(value);
          return { done: false, value: lent as L };
        },
        return: () => {
          lent?.release();
          return loans.return?.() ?? Promise.resolve(END);
        },
        [Symbol.asyncIterator]() {
          return this;
        },
      } as AsyncIterableIterator<L>;
    },
  };
}
