// Publishes COUNT images of 1 MiB to VIEWERS viewers: each is written once, whatever their number.
//
// Usage: node fanout_publisher.js [CHANNEL] [COUNT] [VIEWERS]

import { createHash } from 'node:crypto';
import kren from '@pawanxz/kren';
import { FRAME, PATIENCE, block, channel, number } from './pattern.js';

const count = number(2, 200);
const image = block(FRAME);
const sha256 = createHash('sha256');

const publisher = new kren.Publisher(channel('fanout'), 16 * FRAME);
// Without this the first images would be nobody's: a publisher without subscribers never waits.
await publisher.waitForSubscribers({ count: number(3, 3), timeout: PATIENCE });
for (let i = 0; i < count; i++) {
  image.writeBigUInt64LE(BigInt(i));
  publisher.write(image);
  sha256.update(image);
}
publisher.close();

console.log(`sent ${count} frames`);
console.log(`sha256 ${sha256.digest('hex')}`);
