// Writes COUNT messages of 0 to MAX_SIZE bytes as fast as the reader takes them.
//
// Usage: node stream_writer.js [CHANNEL] [COUNT] [MAX_SIZE]

import { createHash } from 'node:crypto';
import kren from '@pawanxz/kren';
import { Messages, channel, number } from './pattern.js';

const count = number(2, 1_000_000);
const messages = new Messages(number(3, 255));
const sha256 = createHash('sha256');

const writer = new kren.Writer(channel('stream'), 4 * 1024 * 1024);
for (let i = 0; i < count; i++) {
  const message = messages.get(i);
  writer.write(message);
  sha256.update(message);
}
writer.close();

console.log(`sent ${count} messages`);
console.log(`sha256 ${sha256.digest('hex')}`);
