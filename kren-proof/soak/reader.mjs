// The Node reader of a soak; `src/soak/worker.rs` is its twin.

import fs from 'node:fs';
import path from 'node:path';
import { breathe, isPeer, isTimeout, kren, LAST, LOOK, READER, STOP, task, Words } from './plan.mjs';

const control = new Words(task.folder, 'control');
const journal = new Words(task.folder, 'reader');
const log = fs.openSync(path.join(task.folder, 'log'), 'a');
const reader = connect();

let [next, session] = journal.get(0);
let isFirst = true;
const end = () => `end ${session} ${next}${isFirst ? ' first' : ''}`;

/** Takes the next message; a line for the log if it is out of the ordinary. */
function note(newSession, number) {
  if (newSession === session && number === next) return undefined;
  const isSame = newSession === session;
  if (isSame && isFirst && number + 1 === next) return `again ${session} ${number}`;
  if (isSame && isFirst && number === next + 1) return `in-hand ${session} ${next}`;
  if (newSession > session && number === 0) return end();
  if (newSession > session && number === 1 && isFirst) return `${end()}\nin-hand ${newSession} 0`;
  throw new Error(`(session, number) ${[newSession, number]} followed ${[session, next]}`);
}

/** The reader; undefined if both sides have left the channel drained, and nobody wants more. */
function connect() {
  for (;;) {
    try {
      return new kren.Reader(task.channel, { timeout: LOOK, strategy: task.strategy });
    } catch (error) {
      if (error.code !== 'KREN_NOT_FOUND') throw error;
      if (control.get(READER)[0] !== 0) return undefined;
    }
  }
}

let word = control.get(READER)[0];
while (reader !== undefined && word !== STOP) {
  word = control.get(READER)[0];
  let message;
  let loan;
  try {
    // A copy is released before it can be noted, a loan after: both must be accounted for.
    if (next % 2) message = reader.read({ timeout: LOOK });
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
  const [newSession, number] = task.plan.check(message);
  const line = note(newSession, number);
  isFirst = false;
  if (line !== undefined) fs.writeSync(log, `${line}\n`);
  [session, next] = [newSession, number + 1];
  journal.set(0, next, session);
  loan?.release();
}
if (control.get(READER)[0] === LAST) fs.writeSync(log, `${end()}\n`);
reader?.close();
