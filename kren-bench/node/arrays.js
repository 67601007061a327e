// Arrays in Node.js: what a header costs, and frames of 1080p that Python sends (python/arrays.py starts this).
//
// Usage: node arrays.js header; node arrays.js frames CHANNEL COUNT

import { createRequire } from 'node:module';

// As in the folder of the package, which need not be installed here.
const { Reader, Writer } = createRequire(import.meta.url)('../../kren-node');

const ROUNDS = 200;
const COUNT = 500;

function best(way, found) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < COUNT; i += 1) way();
  return Math.min(found, Number(process.hrtime.bigint() - start) / COUNT);
}

/** Nanoseconds for 64 bytes written and read, raw and as an array. */
function header() {
  const writer = new Writer(`bench-header-${process.pid}`, 1 << 20, { alignment: 64 });
  const reader = new Reader(writer.name);
  const small = new Float32Array(16);
  const bytes = new Uint8Array(small.buffer);
  const ways = {
    raw: () => {
      writer.write(bytes);
      return reader.read();
    },
    array: () => {
      writer.writeArray(small);
      return reader.readArray();
    },
  };
  const found = { raw: Number.POSITIVE_INFINITY, array: Number.POSITIVE_INFINITY };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, way] of Object.entries(ways)) found[name] = best(way, found[name]);
  }
  reader.close();
  writer.close();
  return found;
}

/** Takes frames in place, and answers each with the time at which it was there, and was looked at. */
function frames(channel, count) {
  const reader = new Reader(channel, { timeout: 30_000, strategy: 'spin' });
  const answers = new Writer(`${channel}-back`, 1 << 16, { strategy: 'spin' });
  for (let i = 0; i < count; i += 1) {
    const frame = reader.borrowArray();
    const there = process.hrtime.bigint();
    let sum = 0;
    for (let at = 0; at < frame.data.length; at += 64) sum += frame.data[at];
    const seen = process.hrtime.bigint();
    frame.release();
    answers.writeArray(new BigInt64Array([there, seen, BigInt(sum)]));
  }
  answers.flush();
}

const [, , what, channel, count] = process.argv;
if (what === 'header') console.log(JSON.stringify(header()));
else frames(channel, Number(count));
