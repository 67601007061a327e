// What the transports have in common.

import { setTimeout as sleep } from 'node:timers/promises';

export const BUSY = ['trips', 'timed', 'stream'];
export const SLEEPS = [...BUSY, 'wake', 'idle'];

/** One end of a transport that goes both ways. */
export class Ends {
  static title;
  /** How it is used, for the reader of a record. */
  static how;
  static tests = BUSY;
  static sizes = [1, 1 << 24];
  /** Whether it has its turn among the others; else what is measured with it is not what they do. */
  static listed = true;

  /** `send` and `receive` return promises. */
  isAsync = false;
  /** The leading side starts whoever answers; the other process has nothing to do. */
  bringsItsFollower = false;

  constructor({ side, session, size, capacity, followers, crowded }) {
    this.followers = followers;
    // Polling takes the processor from the others where there are fewer of those than processes.
    this.strategy = crowded ? 'adaptive' : 'spin';
    this.leads = side === 'lead';
    this.session = session;
    this.size = size;
    this.capacity = capacity;
    const [there, back] = [`${session}-a`, `${session}-b`];
    this.there = this.leads ? there : back;
    this.back = this.leads ? back : there;
    // What src/payload.rs calls the same message every time.
    this.payload = Buffer.from(Uint8Array.from({ length: size }, (_, i) => Math.min(i, 7)));
  }

  sendMany(count) {
    for (let i = 0; i < count; i++) this.send(this.payload);
  }

  /** Receives `count` messages and gives the last. */
  receiveMany(count) {
    let message;
    for (let i = 0; i < count; i++) message = this.receive();
    return message;
  }
}

/** What the one who gives the orders needs to know of a transport. */
export function describe({ title, how, tests, sizes: [smallest, largest] }) {
  return { name: title, how, tests, smallest, largest };
}

/** The same for transports that return promises. */
export class AsyncEnds extends Ends {
  isAsync = true;

  async sendMany(count) {
    for (let i = 0; i < count; i++) {
      const waits = this.send(this.payload);
      if (waits) await waits;
    }
  }

  async receiveMany(count) {
    let message;
    for (let i = 0; i < count; i++) message = await this.receive();
    return message;
  }
}

/** Calls `attempt` until it succeeds, for an end that comes before the other one is ready. */
export async function patiently(attempt) {
  const end = performance.now() + 10_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(1);
    }
  }
}
