// Makes the messages of a soak, in Node; `src/soak/worker.rs` is its twin.

import { breathe, DONE, INTENT, isPeer, isTimeout, kren, LOOK, task, told, Words } from './plan.mjs';

const journal = new Words(task.folder, `writer-${task.session}`);
const writer = connect();

function connect() {
  const { channel, capacity, strategy } = task;
  switch (task.kind) {
    case 'publisher':
      return new kren.Publisher(channel, capacity, { strategy });
    case 'sender':
      return new kren.Sender(channel, { capacity, strategy });
    case 'dealer':
      return new kren.Dealer(channel, capacity, { strategy });
    default:
      return new kren.Writer(channel, capacity, { strategy });
  }
}

/** False when it was told to stop meanwhile. */
function write(message) {
  for (;;) {
    try {
      if (message.readUInt32LE(4) % 3 || task.kind === 'dealer') writer.write(message, { timeout: LOOK });
      else {
        const room = writer.reserve(message.length, { timeout: LOOK });
        message.copy(room.data);
        room.commit();
      }
      return true;
    } catch (error) {
      if (!isPeer(error) && !isTimeout(error)) throw error;
      if (told() !== 0) return false;
      breathe();
    }
  }
}

for (let number = 0; told() === 0; number++) {
  journal.set(INTENT, number + 1);
  if (!write(task.plan.message(task.session, number))) break;
  journal.set(DONE, number + 1);
}
writer.close();
