// The Node worker of a soaked queue; `src/soak/takers.rs` is its twin.

import { breathe, isPeer, isTimeout, kren, LAST, Ledgers, LOOK, STOP, task, told } from './plan.mjs';

const ledgers = new Ledgers(task.folder);
const worker = new kren.Worker(task.channel, { ahead: task.place - 1, strategy: task.strategy });

while (told() !== STOP) {
  try {
    const work = worker.borrow({ timeout: LOOK });
    const [session, number] = task.plan.check(work.data);
    const before = ledgers.note(session, number);
    if (before > 0 && !work.redelivered) {
      throw new Error(`message ${number} of dealer ${session} came again, unmarked`);
    }
    work.release();
    continue;
  } catch (error) {
    // The end of a dealer is told once; then it waits for the next one.
    if (!isPeer(error) && !isTimeout(error)) throw error;
    if (isPeer(error)) breathe();
  }
  if (told() === LAST && worker.dealerState !== 'attached') break;
}
worker.close();
