// Collects the results of COUNT tasks from all workers, whoever did them; one that was done twice, as its worker was killed, counts once.
//
// Usage: node tasks_collector.js [CHANNEL] [COUNT]

import { createHash } from 'node:crypto';
import kren from '@pawanxz/kren';
import { channel, number } from './pattern.js';

const count = number(2, 1000);
const results = new Set();
const workers = new Set();

const inbox = new kren.Inbox(`${channel('tasks')}-results`, 1 << 20);
for await (const result of inbox) {
  const expected = createHash('sha256').update(`task ${result.tag}`).digest();
  if (!result.equals(expected)) throw new Error(`the result of task ${result.tag} is wrong`);
  results.add(result.tag);
  workers.add(result.sender.number);
  if (results.size === count) break;
}
inbox.close();

console.log(`collected ${results.size} results of ${workers.size} workers`);
