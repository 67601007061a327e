// The Node server of a soak; `src/soak/callers.rs` is its twin.

import { items } from './calls.mjs';
import { isTimeout, kren, LAST, Ledgers, LOOK, task, told } from './plan.mjs';

const ledgers = new Ledgers(task.folder);
const server = serve();

/** The server, when it is its turn; undefined if it was told to stop meanwhile. */
function serve() {
  const { channel, capacity, strategy } = task;
  for (;;) {
    try {
      return new kren.Server(channel, { capacity, standby: LOOK, strategy });
    } catch (error) {
      if (!isTimeout(error)) throw error;
      if (told() !== 0) return undefined;
    }
  }
}

/** The next request, if there is one before it is time to look what is to be done. */
function next() {
  try {
    return server.nextSync({ timeout: LOOK });
  } catch (error) {
    if (!isTimeout(error)) throw error;
    return undefined;
  }
}

while (server !== undefined && (told() === 0 || (told() === LAST && server.clients.length > 0))) {
  const request = next();
  if (request === undefined) continue;
  const [session, number] = task.plan.check(request.data);
  ledgers.note(session, number);
  const count = items(number);
  if (count === undefined) request.reply(request.data, { tag: number });
  else {
    for (let item = 0; item < count; item++) request.item(request.data, { tag: number });
    request.end();
  }
}
server?.close();
