// Collects the results of COUNT tasks from all workers, whoever did them; one that was done twice, as its worker was killed, counts once.
//
// Usage: node tasks_collector.js [CHANNEL] [COUNT]

import { createHash } from 'node:crypto';
import kren from '@pawanxz/kren';
import { channel, number } from './pattern.js';

const count = number(2, 1000);
const results = new Map();
const workers = new Set();

const inbox = new kren.Inbox(`${channel('tasks')}-results`, 1 << 20);
for await (const result of inbox) {
  results.set(result.tag, result);
  workers.add(result.sender.number);
  if (results.size === count >> 1) console.log(`collected ${results.size} so far`);
  if (results.size === count) break;
}
inbox.close();

// In the order of the tasks.
const tags = [...results.keys()].sort((a, b) => a - b);
const sha256 = createHash('sha256').update(Buffer.concat(tags.map((tag) => results.get(tag))));
console.log(`collected ${results.size} results of ${workers.size} workers`);
console.log(`sha256 ${sha256.digest('hex')}`);
