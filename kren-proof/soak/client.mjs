// The Node client of a soak; `src/soak/callers.rs` is its twin.

import { AGAIN, DIED, items, mayRetry, NOBODY, ONCE } from './calls.mjs';
import { breathe, DONE, INTENT, kren, Ledger, task, told, WEDGED, Words } from './plan.mjs';

/** Calls under way at most. */
const WINDOW = 4;

const journal = new Words(task.folder, `writer-${task.session}`);
const outcomes = new Ledger(task.folder, `outcome-${task.session}`);
const { channel, capacity, strategy } = task;
const client = new kren.Client(channel, { capacity, strategy });

/** How a call ends; all that comes must be what the server was sent. */
async function call(number) {
  const request = task.plan.message(task.session, number);
  const options = { timeout: WEDGED, retry: mayRetry(number) };
  const answers = [];
  try {
    if (items(number) === undefined) answers.push(await client.call(request, options));
    else for await (const item of client.stream(request, options)) answers.push(item);
  } catch (error) {
    if (error.code === 'KREN_NO_SERVER') return NOBODY;
    if (error.code === 'KREN_SERVER_DIED' && !mayRetry(number)) return DIED;
    throw error;
  }
  if (!answers.every((answer) => answer.equals(request) && answer.tag === number)) {
    throw new Error(`call ${number} was answered with ${answers.length} others`);
  }
  if (answers.length !== (items(number) ?? 1))
    throw new Error(`call ${number} had ${answers.length} answers`);
  return mayRetry(number) ? AGAIN : ONCE;
}

for (let first = 0; told() === 0; ) {
  const numbers = Array.from({ length: 1 + Math.floor(Math.random() * WINDOW) }, (_, at) => first + at);
  first += numbers.length;
  journal.set(INTENT, first);
  const ends = numbers.map(async (number) => {
    const outcome = await call(number);
    outcomes.set(number, outcome);
    return outcome;
  });
  if ((await Promise.all(ends)).every((outcome) => outcome === NOBODY)) breathe();
  journal.set(DONE, first);
}
client.close();
