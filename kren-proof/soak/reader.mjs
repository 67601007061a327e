// The Node reader of a channel, and of all that a broadcast has; `src/soak/worker.rs` and `guest.rs` are its twins.

import {
  breathe,
  Expected,
  isPeer,
  isTimeout,
  kren,
  LAST,
  LOOK,
  openLog,
  STOP,
  task,
  told,
  Words,
} from './plan.mjs';

const { channel, strategy } = task;
const journal = new Words(task.folder, 'reader');
const log = openLog('log');
const isDurable = task.kind === 'durable';
const reader = connect();
// It is there: nothing is missed from here on.
journal.set(1, 1);

const [next, session] = journal.get(0);
const expected = new Expected(session, next);

/** The reader; undefined if both sides have left the channel drained, and nobody wants more. */
function connect() {
  if (isDurable) return new kren.Subscriber(channel, { start: 'oldest', durable: 'soak', strategy });
  for (;;) {
    try {
      return new kren.Reader(channel, { timeout: LOOK, strategy });
    } catch (error) {
      if (error.code !== 'KREN_NOT_FOUND') throw error;
      if (told() !== 0) return undefined;
    }
  }
}

let word = told();
while (reader !== undefined && word !== STOP) {
  word = told();
  let message;
  let loan;
  try {
    // A copy is released before it can be noted, a loan after: both must be accounted for.
    if (expected.next % 2) message = reader.read({ timeout: LOOK });
    else {
      loan = reader.borrow({ timeout: LOOK });
      message = loan.data;
    }
  } catch (error) {
    if (isTimeout(error)) continue;
    if (!isPeer(error)) throw error;
    if (word === LAST) break;
    breathe();
    continue;
  }
  const line = expected.meet(...task.plan.check(message));
  if (line !== undefined) log(line);
  journal.set(0, expected.next, expected.session);
  loan?.release();
}
if (told() === LAST) {
  log(expected.end());
  if (isDurable) reader.unsubscribe();
}
reader?.close();
