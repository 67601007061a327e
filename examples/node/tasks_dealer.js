// Deals COUNT tasks to the workers that are there, each to one of them, and waits until all are done.
//
// Usage: node tasks_dealer.js [CHANNEL] [COUNT]

import { createHash } from 'node:crypto';
import kren from '@pawanxz/kren';
import { PATIENCE, channel, number } from './pattern.js';

const count = number(2, 1000);
// Of the results, as the collector should have them.
const sha256 = createHash('sha256');

const dealer = new kren.Dealer(channel('tasks'), 1 << 20);
for (let i = 0; i < count; i++) {
  await dealer.writeAsync(`task ${i}`, { tag: i, timeout: PATIENCE });
  sha256.update(createHash('sha256').update(`task ${i}`).digest());
}
await dealer.flushAsync({ timeout: PATIENCE });
dealer.close();

console.log(`dealt ${count} tasks`);
console.log(`sha256 ${sha256.digest('hex')}`);
