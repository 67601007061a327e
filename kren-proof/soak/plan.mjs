// What the workers of a soak share: messages, journals, control words. `src/soak` says why.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export const kren = createRequire(import.meta.url)('../../kren-node');

const SPREAD = 4096;
const HEAD = 8;

export const STOP = 1;
export const LAST = 2;

/** What stands in the journal of those that make messages; the last, of an inbox's senders. */
export const INTENT = 0;
export const DONE = 1;
export const READ = 2;

/** Milliseconds that a blocking call may last before the control word is looked at. */
export const LOOK = 200;
/** Milliseconds after which a call that is not over is wedged. */
export const WEDGED = 120_000;
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

/** A byte for each message of a session. */
export class Ledger {
  #file;
  #byte = Buffer.alloc(1);

  constructor(folder, name) {
    this.#file = fs.openSync(path.join(folder, name), 'r+');
  }

  get(number) {
    return fs.readSync(this.#file, this.#byte, 0, 1, number) === 1 ? this.#byte[0] : 0;
  }

  set(number, value) {
    this.#byte[0] = value;
    fs.writeSync(this.#file, this.#byte, 0, 1, number);
  }
}

/** How often each message of each session was done. */
export class Ledgers {
  #folder;
  #open = new Map();

  constructor(folder) {
    this.#folder = folder;
  }

  /** Notes it once more; how often it was before. */
  note(session, number) {
    let ledger = this.#open.get(session);
    if (ledger === undefined) {
      ledger = new Ledger(this.#folder, `ledger-${session}`);
      this.#open.set(session, ledger);
    }
    const before = ledger.get(number);
    ledger.set(number, before + 1);
    return before;
  }
}

/** Which message must come next. */
export class Expected {
  #session;
  #next;
  #isFirst = true;

  constructor(session, next) {
    this.#session = session;
    this.#next = next;
  }

  get session() {
    return this.#session;
  }

  get next() {
    return this.#next;
  }

  end() {
    return `end ${this.#session} ${this.#next}${this.#isFirst ? ' first' : ''}`;
  }

  /** Takes the next message; a line for the log if it is out of the ordinary. */
  meet(session, number) {
    const line = this.#note(session, number);
    [this.#session, this.#next, this.#isFirst] = [session, number + 1, false];
    return line;
  }

  #note(session, number) {
    const isSame = session === this.#session;
    if (isSame && number === this.#next) return undefined;
    if (isSame && this.#isFirst && number + 1 === this.#next) return `again ${session} ${number}`;
    if (isSame && this.#isFirst && number === this.#next + 1) return `in-hand ${session} ${this.#next}`;
    if (session > this.#session && number === 0) return this.end();
    if (session > this.#session && number === 1 && this.#isFirst)
      return `${this.end()}\nin-hand ${session} 0`;
    throw new Error(`(session, number) ${[session, number]} followed ${[this.#session, this.#next]}`);
  }
}

const [folder, channel, capacity, longest, strategy, session, place, kind] = process.argv.slice(2);

/** What every worker is told. */
export const task = {
  folder,
  channel,
  capacity: Number(capacity),
  plan: new Plan(Number(longest)),
  strategy,
  session: Number(session),
  /** Which control word is its own. */
  place: Number(place),
  kind,
};

const control = new Words(folder, 'control');
/** What this worker is told meanwhile. */
export const told = () => control.get(task.place)[0];

/** A file for lines that are whole, because each is one `write`. */
export function openLog(name) {
  const file = fs.openSync(path.join(folder, name), 'a');
  return (line) => fs.writeSync(file, `${line}\n`);
}
