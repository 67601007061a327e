// Reads until the writer closes, and compares every message byte for byte with the one expected.
//
// Usage: node stream_reader.js [CHANNEL] [COUNT] [MAX_SIZE]

import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import kren from '@pawanxz/kren';
import { Messages, PATIENCE, channel, number } from './pattern.js';

const count = number(2, 1_000_000);
const messages = new Messages(number(3, 255));
const sha256 = createHash('sha256');
let received = 0;
let bytes = 0;
let started = 0;

const reader = new kren.Reader(channel('stream'), { timeout: PATIENCE });
// `for await` does the same and leaves the event loop free; this program has nothing else to do.
for (const message of reader) {
  if (received === 0) started = performance.now();
  if (!message.equals(messages.get(received))) {
    throw new Error(`message ${received} is not the one that was sent`);
  }
  sha256.update(message);
  received += 1;
  bytes += message.length;
}
reader.close();

if (received !== count) throw new Error(`${received} messages came, not ${count}`);
const seconds = (performance.now() - started) / 1e3;
const rate = (received / seconds / 1e6).toFixed(2);
const volume = (bytes / seconds / 1e9).toFixed(2);
console.log(`received ${received} messages: ${rate} M messages/s, ${volume} GB/s`);
console.log(`sha256 ${sha256.digest('hex')}`);
