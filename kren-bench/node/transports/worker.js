// A worker thread and a SharedArrayBuffer: one process, for reference.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Ends } from './ends.js';
import { Reader, Writer, bytes, slotsFor } from './slots.js';

class WorkerThread extends Ends {
  static title = 'worker';
  static how = 'one process: a worker thread, SharedArrayBuffer, Atomics.wait and notify';

  bringsItsFollower = true;

  async open() {
    if (!this.leads) return;
    const slots = slotsFor(this.capacity, this.size);
    const length = bytes(slots, this.size);
    const buffer = new SharedArrayBuffer(2 * length);
    this.writer = new Writer(buffer, 0, slots, this.size);
    this.reader = new Reader(buffer, length, slots, this.size);
    this.worker = new Worker(new URL('./worker-thread.js', import.meta.url), {
      workerData: { buffer, slots, length, size: this.size },
    });
    await once(this.worker, 'online');
  }

  // The first byte asks for an answer.
  send(payload) {
    payload[0] = 1;
    this.#put(payload);
  }

  sendMany(count) {
    this.payload[0] = 0;
    for (let i = 1; i < count; i++) this.#put(this.payload);
    this.send(this.payload);
  }

  #put(payload) {
    this.writer.write(payload, Atomics.wait);
    this.writer.wake();
  }

  receive() {
    const message = this.reader.read(Atomics.wait);
    this.reader.wake();
    return message;
  }

  async close() {
    await this.worker?.terminate();
  }
}

export const TRANSPORTS = [WorkerThread];
