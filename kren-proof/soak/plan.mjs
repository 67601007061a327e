// What the workers of a soak share: messages, journals, control words. `src/soak` says why.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export const kren = createRequire(import.meta.url)('../../kren-node');

const SPREAD = 4096;
const HEAD = 8;

export const STOP = 1;
export const LAST = 2;
export const WRITER = 0;
export const READER = 1;

/** Milliseconds that a blocking call may last before the control word is looked at. */
export const LOOK = 200;
/** Milliseconds to leave a peer that is gone before asking again. */
const BREATHER = 2;

const never = new Int32Array(new SharedArrayBuffer(4));
export const breathe = () => Atomics.wait(never, 0, 0, BREATHER);

/** Whether an error only says that the peer is not there, or not ready. */
export const isPeer = (error) => ['KREN_CLOSED', 'KREN_PEER_DIED'].includes(error.code);
export const isTimeout = (error) => error.code === 'KREN_TIMED_OUT';

/** Makes and checks messages. */
class Plan {
  constructor(longest) {
    this.table = Buffer.from(
      Array.from({ length: SPREAD + longest }, (_, at) => (at * 131 + (at >> 8) * 17) & 255),
    );
    this.longest = longest;
  }

  content(number) {
    const length = (Math.imul(number, 2_654_435_761) >>> 0) % (this.longest + 1);
    const start = number % SPREAD;
    return this.table.subarray(start, start + length);
  }

  message(session, number) {
    const content = this.content(number);
    const message = Buffer.allocUnsafe(HEAD + content.length);
    message.writeUInt32LE(session, 0);
    message.writeUInt32LE(number, 4);
    content.copy(message, HEAD);
    return message;
  }

  check(message) {
    const [session, number] = [message.readUInt32LE(0), message.readUInt32LE(4)];
    if (!message.subarray(HEAD).equals(this.content(number))) {
      throw new Error(`damaged message: session ${session} number ${number}, ${message.length} bytes`);
    }
    return [session, number];
  }
}

/** Words of a file that outlive their process; each is stored and loaded with one system call. */
export class Words {
  #file;
  #word = Buffer.alloc(8);

  constructor(folder, name) {
    this.#file = fs.openSync(path.join(folder, name), 'r+');
  }

  /** The two halves of a word, the low one first. */
  get(at) {
    fs.readSync(this.#file, this.#word, 0, 8, 8 * at);
    return [this.#word.readUInt32LE(0), this.#word.readUInt32LE(4)];
  }

  set(at, low, high = 0) {
    this.#word.writeUInt32LE(low, 0);
    this.#word.writeUInt32LE(high, 4);
    fs.writeSync(this.#file, this.#word, 0, 8, 8 * at);
  }
}

const [folder, channel, capacity, longest, strategy, session] = process.argv.slice(2);

/** What every worker is told. */
export const task = {
  folder,
  channel,
  capacity: Number(capacity),
  plan: new Plan(Number(longest)),
  strategy,
  session: Number(session),
};
