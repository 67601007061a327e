// Writes COUNT images of 1 MiB as fast as the reader takes them.
//
// With --no-hash on both sides the figures are those of the channel alone: SHA-256 is the slower part.
//
// Usage: node frames_writer.js [CHANNEL] [COUNT] [--no-hash]

import { createHash } from 'node:crypto';
import process from 'node:process';
import kren from '@pawanxz/kren';
import { FRAME, block, channel, number } from './pattern.js';

const count = number(2, 1000);
const hashed = !process.argv.includes('--no-hash');
const image = block(FRAME);
const sha256 = createHash('sha256');

const writer = new kren.Writer(channel('frames'), 16 * FRAME);
for (let i = 0; i < count; i++) {
  image.writeBigUInt64LE(BigInt(i));
  writer.write(image);
  if (hashed) sha256.update(image);
}
writer.close();

console.log(`sent ${count} frames`);
if (hashed) console.log(`sha256 ${sha256.digest('hex')}`);
