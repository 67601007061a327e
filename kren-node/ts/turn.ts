// Lets the event loop turn while messages keep coming.
//
// A promise that is resolved already is continued before the loop goes on, so that `await` over messages
// that are there already would hold up every timer and socket. After a millisecond of it, one waits its turn.

const LONGEST_MS = 1;

/** When the present run of calls that did not wait began; 0 when there is none. */
let runningSince = 0;

/** Whether a call that need not wait should let the event loop turn all the same. */
export function mustYield(): boolean {
  const now = performance.now();
  if (runningSince === 0) {
    runningSince = now;
    return false;
  }
  return now - runningSince >= LONGEST_MS;
}

/** To be called when the event loop has turned. */
export function turned(): void {
  runningSince = 0;
}
