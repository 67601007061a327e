// The Node subscriber that is not durable; `src/soak/guest.rs` is its twin.

import { breathe, isPeer, isTimeout, kren, LAST, LOOK, openLog, STOP, task, told, Words } from './plan.mjs';

const [SEEN, MISSED] = [0, 1];
const isLossy = task.kind === 'lossy';
const counts = new Words(task.folder, `subscriber-${task.place}`);
const log = openLog('turns');
const subscriber = new kren.Subscriber(task.channel, { lossy: isLossy, strategy: task.strategy });

// Session and number of the last message, and which of all it was.
let last;

function add(word, more) {
  const [low, high] = counts.get(word);
  const sum = high * 2 ** 32 + low + more;
  counts.set(word, sum % 2 ** 32, Math.floor(sum / 2 ** 32));
}

/** The next message, if there is one before it is time to look what is to be done. */
function read() {
  try {
    return subscriber.read({ timeout: LOOK });
  } catch (error) {
    if (isLossy && error.code === 'KREN_LAGGED' && error.missed > 0) add(MISSED, error.missed);
    else if (isPeer(error)) breathe();
    else if (!isTimeout(error)) throw error;
    return isPeer(error) && told() === LAST ? null : undefined;
  }
}

while (told() !== STOP) {
  const at = subscriber.position;
  const message = read();
  if (message === null) break;
  if (message === undefined) continue;
  const [session, number] = task.plan.check(message);
  if (last !== undefined) {
    const gap = at - last.at - 1;
    if (session === last.session && number !== last.number + 1 + gap) {
      throw new Error(
        `after ${JSON.stringify(last)} to ${[session, number]}, ${gap} were missed by the count`,
      );
    }
    // Held against what the durable one says of the sessions' ends.
    if (session !== last.session) log(`${last.session} ${last.number + 1} ${gap} ${session} ${number}`);
  }
  last = { session, number, at };
  add(SEEN, 1);
  if (isLossy && Math.random() < 1 / 3000) for (let pause = 0; pause < 10; pause++) breathe();
}
subscriber.close();
