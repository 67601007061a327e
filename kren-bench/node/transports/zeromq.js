// zeromq.js, a Pair over ipc.

import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as zmq from 'zeromq';
import { AsyncEnds, SLEEPS } from './ends.js';

class ZeroMQ extends AsyncEnds {
  static title = 'zeromq';
  static how = 'zeromq.js: a Pair over ipc, send and receive';
  static tests = SLEEPS;

  async open() {
    this.socket = new zmq.Pair({ linger: 0 });
    this.path = join(tmpdir(), `${this.session}.zmq`);
    const address = `ipc://${this.path}`;
    if (this.leads) await this.socket.bind(address);
    else this.socket.connect(address);
  }

  send(payload) {
    return this.socket.send(payload);
  }

  async receive() {
    const [message] = await this.socket.receive();
    return message;
  }

  close() {
    this.socket.close();
    if (this.leads) rmSync(this.path, { force: true });
  }
}

export const TRANSPORTS = [ZeroMQ];
