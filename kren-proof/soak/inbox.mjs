// The Node inbox of a soak; `src/soak/takers.rs` is its twin.

import { Expected, isTimeout, kren, LAST, LOOK, openLog, READ, STOP, task, told, Words } from './plan.mjs';

const log = openLog('log');
const senders = new Map();
const inbox = new kren.Inbox(task.channel, task.capacity, { strategy: task.strategy });

function take(message) {
  const [session, number] = task.plan.check(message);
  let sender = senders.get(session);
  if (sender === undefined) {
    const journal = new Words(task.folder, `writer-${session}`);
    sender = { journal, expected: new Expected(session, journal.get(READ)[0]) };
    senders.set(session, sender);
  }
  const line = sender.expected.meet(session, number);
  if (line !== undefined) log(line);
  sender.journal.set(READ, sender.expected.next);
}

for (let isCopy = true; told() !== STOP; isCopy = !isCopy) {
  try {
    // A copy is released before it can be noted, a loan after: both must be accounted for.
    if (isCopy) take(inbox.read({ timeout: LOOK }));
    else {
      const loan = inbox.borrow({ timeout: LOOK });
      take(loan.data);
      loan.release();
    }
  } catch (error) {
    if (!isTimeout(error)) throw error;
    // It waits for senders to come, so nobody else tells of the end.
    if (told() === LAST && inbox.senders.length === 0) break;
  }
}
inbox.close();
