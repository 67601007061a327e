// Looks at the images of fanout_publisher until it closes; as many viewers as you like.
//
// With --lossy it never holds the publisher up, and says how many images it missed.
//
// Usage: node fanout_viewer.js [CHANNEL] [COUNT] [--lossy]

import { createHash } from 'node:crypto';
import process from 'node:process';
import kren from '@pawanxz/kren';
import { FRAME, PATIENCE, channel, number } from './pattern.js';

const count = number(2, 200);
const lossy = process.argv.includes('--lossy');
const sha256 = createHash('sha256');
let received = 0;
let missed = 0;

const subscriber = new kren.Subscriber(channel('fanout'), { lossy, timeout: PATIENCE });
for (let open = true; open; ) {
  try {
    for (const frame of subscriber) {
      if (frame.length !== FRAME || frame.readBigUInt64LE() !== BigInt(received + missed)) {
        throw new Error(`frame ${received + missed} is not the one that was sent`);
      }
      sha256.update(frame);
      received += 1;
    }
    open = false;
  } catch (error) {
    if (error.code !== 'KREN_LAGGED') throw error;
    missed += error.missed;
  }
}
subscriber.close();

if (received + missed !== count)
  throw new Error(`${received} frames came and ${missed} were missed, of ${count}`);
console.log(`received ${received} frames, missed ${missed}`);
if (missed === 0) console.log(`sha256 ${sha256.digest('hex')}`);
