// The other side of worker.js: sends back what it is asked to.

import { workerData } from 'node:worker_threads';
import { Reader, Writer } from './slots.js';

const { buffer, slots, length, size } = workerData;
const reader = new Reader(buffer, 0, slots, size);
const writer = new Writer(buffer, length, slots, size);
for (;;) {
  const message = reader.read(Atomics.wait);
  reader.wake();
  if (message[0] === 1) {
    writer.write(message, Atomics.wait);
    writer.wake();
  }
}
