// The Node writer of a soak; `src/soak/worker.rs` is its twin.

import { breathe, isPeer, isTimeout, kren, LOOK, task, WRITER, Words } from './plan.mjs';

const INTENT = 0;
const DONE = 1;

const control = new Words(task.folder, 'control');
const journal = new Words(task.folder, `writer-${task.session}`);
const writer = new kren.Writer(task.channel, task.capacity, { strategy: task.strategy });
const isStopped = () => control.get(WRITER)[0] !== 0;

/** False when it was told to stop meanwhile. */
function write(message) {
  for (;;) {
    try {
      if (message.readUInt32LE(4) % 3) writer.write(message, { timeout: LOOK });
      else {
        const room = writer.reserve(message.length, { timeout: LOOK });
        message.copy(room.data);
        room.commit();
      }
      return true;
    } catch (error) {
      if (!isPeer(error) && !isTimeout(error)) throw error;
      if (isStopped()) return false;
      breathe();
    }
  }
}

for (let number = 0; !isStopped(); number++) {
  journal.set(INTENT, number + 1);
  if (!write(task.plan.message(task.session, number))) break;
  journal.set(DONE, number + 1);
}
writer.close();
