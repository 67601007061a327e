// KREN, in each of the ways its users may use it.

import kren from '@pawanxz/kren';
import { AsyncEnds, BUSY, Ends, SLEEPS } from './ends.js';

const MANY = 64;

function connect(ends, strategy) {
  const options = { strategy, prefault: true };
  ends.writer = new kren.Writer(ends.there, ends.capacity, options);
  // Waits for the other side, which waits for this one: both have made their channel by then.
  ends.reader = new kren.Reader(ends.back, { ...options, timeout: 10_000 });
}

function close(ends) {
  ends.writer.close();
  ends.reader.close();
}

class Kren extends Ends {
  static title = 'kren';
  static how = 'write and read, spinning';
  static strategy = 'spin';

  open() {
    connect(this, this.constructor.strategy);
  }

  send(payload) {
    this.writer.write(payload);
  }

  receive() {
    return this.reader.read();
  }

  close() {
    close(this);
  }
}

class Adaptive extends Kren {
  static title = 'kren-adaptive';
  static how = 'write and read, waiting as by default';
  static tests = SLEEPS;
  static strategy = 'adaptive';
}

class Many extends Kren {
  static title = 'kren-many';
  static how = `writeMany and readMany of up to ${MANY}; spinning`;
  static tests = ['stream'];

  sendMany(count) {
    // No more at a time than a part of the ring: the reader is to go on meanwhile.
    const most = Math.max(1, Math.min(MANY, Math.floor(this.capacity / 4 / (this.size + 8))));
    const messages = Array(most).fill(this.payload);
    for (let left = count; left >= most; left -= most) this.writer.writeMany(messages);
    this.writer.writeMany(messages.slice(0, count % most));
  }

  receiveMany(count) {
    let messages;
    for (let left = count; left > 0; left -= messages.length)
      messages = this.reader.readMany(Math.min(left, MANY));
    return messages[messages.length - 1];
  }
}

class Into extends Kren {
  static title = 'kren-into';
  static how = 'write and readInto a Buffer that is used again, spinning';

  open() {
    super.open();
    this.target = Buffer.alloc(this.size);
  }

  receive() {
    this.reader.readInto(this.target);
    return this.target;
  }
}

class InPlace extends Kren {
  static title = 'kren-inplace';
  static how = 'reserve and fill; borrow and copy out; spinning';

  open() {
    super.open();
    this.target = Buffer.alloc(this.size);
  }

  send(payload) {
    const reserved = this.writer.reserve(this.size);
    reserved.data.set(payload);
    reserved.commit();
  }

  receive() {
    const borrowed = this.reader.borrow();
    this.target.set(borrowed.data);
    borrowed.release();
    return this.target;
  }
}

class Promised extends AsyncEnds {
  static title = 'kren-async';
  static how = 'writeAsync and readAsync, the event loop left free';
  static tests = SLEEPS;

  open() {
    connect(this, 'adaptive');
  }

  send(payload) {
    return this.writer.writeAsync(payload);
  }

  receive() {
    return this.reader.readAsync();
  }

  close() {
    close(this);
  }
}

class Iterated extends Promised {
  static title = 'kren-iter';
  static how = 'writeAsync; for await (const message of reader)';
  static tests = BUSY.slice(2);

  async receiveMany(count) {
    let left = count;
    for await (const message of this.reader) {
      left -= 1;
      if (left === 0) return message;
    }
  }
}

export const TRANSPORTS = [Kren, Adaptive, Many, Into, InPlace, Promised, Iterated];
