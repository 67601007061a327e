// The measuring process in Node.js; it obeys the same orders as the one in Rust (see src/peer.rs).
//
// A transport gives `send(payload)` and `receive()`. Every message becomes a Buffer of its own, unless the
// transport says otherwise, so every byte is read. What returns promises is marked `isAsync`.

import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from './transports/ends.js';
import { available } from './transports/index.js';

// Longer than any adaptive wait spins, so that the reader sleeps when the message comes.
const PAUSE = 150_000n;

const now = () => process.hrtime.bigint();

function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

function switches() {
  const usage = process.resourceUsage();
  return usage.voluntaryContextSwitches + usage.involuntaryContextSwitches;
}

// The last message stands for all: comparing each would cost more than most transports do.
function check(ends, message) {
  if (!ends.payload.equals(message)) throw new Error('the last message is not the one that was sent');
}

// The loops, for transports that answer at once.
const atOnce = {
  greet(ends, leads) {
    if (leads) ends.send(ends.payload);
    const message = ends.receive();
    if (!leads) ends.send(ends.payload);
    return message;
  },
  trips(ends, count) {
    let message;
    for (let i = 0; i < count; i++) {
      ends.send(ends.payload);
      message = ends.receive();
    }
    return message;
  },
  timed(ends, count, times) {
    for (let i = 0; i < count; i++) {
      ends.send(ends.payload);
      // While the message travels.
      times.push(now());
      ends.receive();
    }
  },
  echo(ends, count, times) {
    let message;
    for (let i = 0; i < count; i++) {
      message = ends.receive();
      if (times) times.push(now());
      else ends.send(ends.payload);
    }
    return message;
  },
  send: (ends) => ends.send(ends.payload),
  receive: (ends) => ends.receive(),
  sendMany: (ends, count) => ends.sendMany(count),
  receiveMany: (ends, count) => ends.receiveMany(count),
};

// The same, for transports that return promises.
const inTime = {
  async greet(ends, leads) {
    if (leads) await ends.send(ends.payload);
    const message = await ends.receive();
    if (!leads) await ends.send(ends.payload);
    return message;
  },
  async trips(ends, count) {
    let message;
    for (let i = 0; i < count; i++) {
      await ends.send(ends.payload);
      message = await ends.receive();
    }
    return message;
  },
  async timed(ends, count, times) {
    for (let i = 0; i < count; i++) {
      const sent = ends.send(ends.payload);
      times.push(now());
      await sent;
      await ends.receive();
    }
  },
  async echo(ends, count, times) {
    let message;
    for (let i = 0; i < count; i++) {
      message = await ends.receive();
      if (times) times.push(now());
      else await ends.send(ends.payload);
    }
    return message;
  },
  send: (ends) => ends.send(ends.payload),
  receive: (ends) => ends.receive(),
  sendMany: (ends, count) => ends.sendMany(count),
  receiveMany: (ends, count) => ends.receiveMany(count),
};

async function lead(ends, test, count) {
  const loops = ends.isAsync ? inTime : atOnce;
  await loops.greet(ends, true);
  const processor = processorTime();
  const start = now();
  switch (test) {
    case 'trips':
      check(ends, await loops.trips(ends, count));
      break;
    case 'timed': {
      const times = [];
      await loops.timed(ends, count, times);
      return { samples: times.slice(1).map((time, i) => Number(time - times[i])) };
    }
    case 'stream':
      await loops.sendMany(ends, count);
      await loops.receive(ends);
      break;
    case 'wake': {
      const times = [];
      for (let i = 0; i < count; i++) {
        const end = now() + PAUSE + BigInt(i % 7) * 9_000n;
        while (now() < end);
        times.push(now());
        await loops.send(ends);
      }
      return { times: times.map(Number) };
    }
    default:
      await sleep(count / 1e6);
      await loops.send(ends);
      return {};
  }
  const ns = Number(now() - start);
  return { ns, cpu_ns: processorTime() - processor };
}

async function follow(ends, test, count) {
  const loops = ends.isAsync ? inTime : atOnce;
  await loops.greet(ends, false);
  const processor = processorTime();
  const switched = switches();
  switch (test) {
    case 'trips':
    case 'timed':
      check(ends, await loops.echo(ends, count));
      break;
    case 'stream':
      check(ends, await loops.receiveMany(ends, count));
      await loops.send(ends);
      break;
    case 'wake': {
      const times = [];
      await loops.echo(ends, count, times);
      return { times: times.map(Number) };
    }
    default:
      await loops.receive(ends);
  }
  return { cpu_ns: processorTime() - processor, switches: switches() - switched };
}

// Messages from the leading side to all others: see src/peer.rs.
async function spread(ends, { count, begin }) {
  if (!ends.leads) {
    check(ends, await ends.receiveMany(count));
    return { end: Number(now()) };
  }
  await sleep(Math.max(0, begin - Number(now())) / 1e6);
  const start = now();
  await ends.sendMany(count);
  const end = now();
  return { start: Number(start), end: Number(end) };
}

async function obey(transports, opened, order) {
  switch (order.do) {
    case 'list':
      return { entries: transports.filter((one) => one.listed || order.all).map(describe) };
    case 'open': {
      const Transport = transports.find((transport) => transport.title === order.name);
      if (!Transport) throw new Error(`there is no transport ${order.name} here`);
      const ends = new Transport(order);
      await ends.open();
      opened.set(order.as, ends);
      return {};
    }
    case 'run': {
      const ends = opened.get(order.as);
      if (ends.leads) return lead(ends, order.test, order.count);
      // Some lead a follower of their own: a child, a thread.
      return ends.bringsItsFollower ? { cpu_ns: 0 } : follow(ends, order.test, order.count);
    }
    case 'spread':
      return spread(opened.get(order.as), order);
    case 'close':
      await opened.get(order.as).close();
      opened.delete(order.as);
      return {};
    default:
      throw new Error(`there is no order ${order.do} here`);
  }
}

const transports = await available();
const opened = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const answer = await obey(transports, opened, JSON.parse(line)).catch((error) => {
    console.error(error);
    return { error: String(error) };
  });
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
for (const ends of opened.values()) await ends.close();
process.exit(0);
