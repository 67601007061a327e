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
  static how = `write; readMany of up to ${MANY}; spinning`;
  static tests = ['stream'];

  receiveMany(count) {
    let last;
    for (let left = count; left > 0; ) {
      let messages = this.reader.readMany(Math.min(left, MANY));
      if (messages.length === 0) messages = [this.reader.read()];
      left -= messages.length;
      last = messages[messages.length - 1];
    }
    return last;
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

export const TRANSPORTS = [Kren, Adaptive, Promised, Iterated];
// A call that this version of the package may not have yet.
if ('readMany' in kren.Reader.prototype) TRANSPORTS.push(Many);
