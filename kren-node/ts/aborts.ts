// One listener per AbortSignal, however many calls it was given to: from the eleventh on, Node.js 18 and 20 warn of a leak.

interface Watched {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

const watched = new WeakMap<AbortSignal, Watched>();

/** Has `call` called when `signal`, which is not aborted yet, is; gives the function that takes that back. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const { calls } = watched.get(signal) ?? watch(signal);
  calls.add(call);
  return () => {
    calls.delete(call);
    if (calls.size === 0) unwatch(signal, calls);
  };
}

function watch(signal: AbortSignal): Watched {
  const calls = new Set<() => void>();
  const listener = (): void => {
    watched.delete(signal);
    for (const call of [...calls]) call();
  };
  signal.addEventListener('abort', listener, { once: true });
  const entry = { calls, listener };
  watched.set(signal, entry);
  return entry;
}

/** A signal that nobody waits with must not be held, nor hold. */
function unwatch(signal: AbortSignal, calls: Set<() => void>): void {
  const entry = watched.get(signal);
  if (entry?.calls !== calls) return;
  watched.delete(signal);
  signal.removeEventListener('abort', entry.listener);
}
