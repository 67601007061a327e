// Messages between a process and its child, as `fork` offers them.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { AsyncEnds } from './ends.js';

class Child extends AsyncEnds {
  static title = 'child';
  static how = 'process.send to a forked child, advanced serialization; processor time of the parent alone';

  bringsItsFollower = true;
  #inbox = [];
  #resolve = null;

  async open() {
    if (!this.leads) return;
    this.child = fork(new URL('./child-process.js', import.meta.url), { serialization: 'advanced' });
    this.child.on('message', (message) => {
      this.#inbox.push(message);
      this.#resolve?.();
    });
    await once(this.child, 'spawn');
  }

  send(payload) {
    return this.#write({ echo: true, payload });
  }

  async receive() {
    while (this.#inbox.length === 0) {
      await new Promise((resolve) => {
        this.#resolve = resolve;
      });
    }
    return Buffer.from(this.#inbox.shift());
  }

  async sendMany(count) {
    for (let i = 1; i <= count; i++) {
      const waits = this.#write({ echo: i === count, payload: this.payload });
      if (waits) await waits;
    }
  }

  #write(message) {
    let resolve;
    const written = new Promise((done) => {
      resolve = done;
    });
    return this.child.send(message, resolve) ? undefined : written;
  }

  close() {
    this.child?.kill();
  }
}

export const TRANSPORTS = [Child];
