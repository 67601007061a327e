// A Unix socket; the length is known, so nothing frames the messages.

import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AsyncEnds, SLEEPS, patiently } from './ends.js';

export class Unix extends AsyncEnds {
  static title = 'unix';
  static how = 'a Unix socket: write, data events';
  static tests = SLEEPS;

  #chunks = [];
  #length = 0;
  #wanted = 0;
  #resolve = null;

  async open() {
    const path = join(tmpdir(), `${this.session}.sock`);
    if (this.leads) {
      const server = createServer().listen(path);
      [this.socket] = await once(server, 'connection');
      server.close();
      rmSync(path, { force: true });
    } else {
      await this.join(path);
    }
    this.listen();
  }

  async join(path) {
    this.socket = await patiently(async () => {
      const socket = connect(path);
      await once(socket, 'connect');
      return socket;
    });
  }

  listen() {
    this.socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      if (this.#resolve && this.#length >= this.#wanted) {
        const resolve = this.#resolve;
        this.#resolve = null;
        resolve();
      }
    });
  }

  send(payload) {
    return this.socket.write(payload) ? undefined : once(this.socket, 'drain');
  }

  async receive() {
    await this.#until(this.size);
    return this.#take(this.size);
  }

  async receiveMany(count) {
    let message;
    for (let left = count; left > 0; ) {
      await this.#until(this.size);
      // Everything that has come, cut into messages.
      const whole = Math.min(left, Math.floor(this.#length / this.size));
      const bytes = this.#take(whole * this.size);
      for (let at = 0; at < bytes.length; at += this.size) message = bytes.subarray(at, at + this.size);
      left -= whole;
    }
    return message;
  }

  #until(length) {
    if (this.#length >= length) return undefined;
    this.#wanted = length;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  #take(length) {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks, this.#length);
    this.#chunks = all.length > length ? [all.subarray(length)] : [];
    this.#length -= length;
    return all.subarray(0, length);
  }

  close() {
    this.socket.destroy();
  }
}

export const TRANSPORTS = [Unix];
