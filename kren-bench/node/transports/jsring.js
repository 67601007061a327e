// A ring in JavaScript over shared memory that shm-typed-array maps, spinning.

import shm from 'shm-typed-array';
import { Ends, patiently } from './ends.js';
import { Reader, Writer, bytes, slotsFor } from './slots.js';

class JsRing extends Ends {
  static title = 'jsring';
  static how = 'a ring written in JavaScript over shm-typed-array, spinning';

  async open() {
    const slots = slotsFor(this.capacity, this.size);
    const length = bytes(slots, this.size);
    this.name = `/${this.session}`;
    this.memory = this.leads
      ? shm.createPosix(this.name, 2 * length)
      : await patiently(() => {
          const memory = shm.getPosix(this.name);
          if (!memory) throw new Error(`${this.name} does not exist`);
          return memory;
        });
    const { buffer, byteOffset } = this.memory;
    const [there, back] = this.leads ? [0, length] : [length, 0];
    this.writer = new Writer(buffer, byteOffset + there, slots, this.size);
    this.reader = new Reader(buffer, byteOffset + back, slots, this.size);
  }

  send(payload) {
    this.writer.write(payload);
  }

  receive() {
    return this.reader.read();
  }

  close() {
    shm.detachPosix(this.name);
    if (this.leads) shm.destroy(this.name);
  }
}

export const TRANSPORTS = [JsRing];
