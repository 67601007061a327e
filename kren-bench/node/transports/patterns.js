// More than two, and calls: KREN's broadcast and service, a loop over Unix sockets, HTTP over a Unix socket.

import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { Agent, createServer as createHttpServer, request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kren from '@pawanxz/kren';
import { AsyncEnds, Ends, patiently } from './ends.js';
import { Unix } from './unix.js';

class Broadcast extends Ends {
  static title = 'kren-broadcast';
  static how = 'Publisher, Subscriber: write, read; spinning, or the default where processors are shared';
  static listed = false;

  async open() {
    const options = { strategy: this.strategy, prefault: true };
    if (this.leads) {
      this.end = new kren.Publisher(this.session, this.capacity, options);
      await this.end.waitForSubscribers({ count: this.followers, timeout: 10_000 });
    } else {
      this.end = new kren.Subscriber(this.session, { ...options, timeout: 10_000 });
    }
  }

  send(payload) {
    this.end.write(payload);
  }

  receive() {
    return this.end.read();
  }

  close() {
    this.end.close();
  }
}

class LargeBroadcast extends Broadcast {
  static title = 'kren-broadcast-inplace';
  static how = 'reserve and fill, readInto a Buffer that is used again';

  async open() {
    await super.open();
    this.target = Buffer.alloc(this.size);
  }

  send(payload) {
    const reserved = this.end.reserve(this.size);
    reserved.data.set(payload);
    reserved.commit();
  }

  receive() {
    this.end.readInto(this.target);
    return this.target;
  }
}

class Sockets extends Unix {
  static title = 'unix-broadcast';
  static how = 'a Unix socket to each reader: write in a loop, data events';
  static listed = false;

  async open() {
    const path = join(tmpdir(), `${this.session}.sock`);
    if (!this.leads) {
      await this.join(path);
      this.listen();
      return;
    }
    this.sockets = [];
    const server = createServer().listen(path);
    while (this.sockets.length < this.followers) this.sockets.push(...(await once(server, 'connection')));
    server.close();
    rmSync(path, { force: true });
  }

  send(payload) {
    const full = this.sockets.filter((socket) => !socket.write(payload));
    return full.length ? Promise.all(full.map((socket) => once(socket, 'drain'))) : undefined;
  }

  close() {
    for (const socket of this.sockets ?? [this.socket]) socket.destroy();
  }
}

/** The request goes out in `receive`, which is the call. */
class Call extends AsyncEnds {
  static title = 'kren-call';
  static how = 'await client.call; for await of the server, request.reply';
  static listed = false;

  async open() {
    if (this.leads) {
      this.end = new kren.Client(this.session);
      await patiently(() => this.end.call(this.payload));
      return;
    }
    this.end = new kren.Server(this.session);
    this.requests = this.end[Symbol.asyncIterator]();
    await this.receive();
    await this.send(this.payload);
  }

  send(payload) {
    return this.leads ? undefined : this.request.reply(payload);
  }

  async receive() {
    if (this.leads) return this.end.call(this.payload);
    this.request = (await this.requests.next()).value;
    return this.request.data;
  }

  close() {
    return this.end.close();
  }
}

class Http extends AsyncEnds {
  static title = 'http-call';
  static how = 'node:http over a Unix socket, one connection kept alive: POST and answer';
  static listed = false;

  #came = [];
  #wakes = null;

  async open() {
    this.path = join(tmpdir(), `${this.session}.http`);
    if (this.leads) {
      this.agent = new Agent({ keepAlive: true, maxSockets: 1 });
      await patiently(() => this.receive());
      return;
    }
    this.server = createHttpServer((request, response) => {
      body(request).then((data) => {
        this.#came.push({ data, response });
        this.#wakes?.();
      });
    });
    this.server.listen(this.path);
    await this.receive();
    this.send(this.payload);
  }

  send(payload) {
    if (!this.leads) this.response.end(payload);
  }

  async receive() {
    if (!this.leads) {
      while (!this.#came.length)
        await new Promise((resolve) => {
          this.#wakes = resolve;
        });
      const { data, response } = this.#came.shift();
      this.response = response;
      return data;
    }
    return new Promise((resolve, reject) => {
      const headers = { 'content-length': this.size };
      const options = { socketPath: this.path, agent: this.agent, method: 'POST', headers };
      const request = httpRequest(options, (response) => body(response).then(resolve, reject));
      request.on('error', reject).end(this.payload);
    });
  }

  close() {
    this.agent?.destroy();
    this.server?.closeAllConnections();
    this.server?.close();
  }
}

async function body(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

export const TRANSPORTS = [Broadcast, LargeBroadcast, Sockets, Http];
if (kren.Client) TRANSPORTS.push(Call);
