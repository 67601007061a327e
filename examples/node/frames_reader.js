// Reads images of 1 MiB until the writer closes.
//
// With --no-hash on both sides the figures are those of the channel alone: SHA-256 is the slower part.
//
// Usage: node frames_reader.js [CHANNEL] [COUNT] [--no-hash]

import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import kren from '@pawanxz/kren';
import { FRAME, PATIENCE, channel, number } from './pattern.js';

const count = number(2, 1000);
const hashed = !process.argv.includes('--no-hash');
const sha256 = createHash('sha256');
let received = 0;
let started = 0;

const reader = new kren.Reader(channel('frames'), { timeout: PATIENCE });
for (const frame of reader) {
  if (received === 0) started = performance.now();
  if (frame.length !== FRAME || frame.readBigUInt64LE() !== BigInt(received)) {
    throw new Error(`frame ${received} is not the one that was sent`);
  }
  if (hashed) sha256.update(frame);
  received += 1;
}
reader.close();

if (received !== count) throw new Error(`${received} frames came, not ${count}`);
const rate = (received * 1e3) / (performance.now() - started);
console.log(`received ${received} frames: ${rate.toFixed(0)} fps, ${((rate * FRAME) / 1e9).toFixed(2)} GB/s`);
if (hashed) console.log(`sha256 ${sha256.digest('hex')}`);
