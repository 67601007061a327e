// Deals COUNT tasks to the workers that are there, each to one of them, and waits until all are done.
//
// Usage: node tasks_dealer.js [CHANNEL] [COUNT]

import kren from '@pawanxz/kren';
import { PATIENCE, channel, number } from './pattern.js';

const count = number(2, 1000);

const dealer = new kren.Dealer(channel('tasks'), 1 << 20);
for (let i = 0; i < count; i++) await dealer.writeAsync(`task ${i}`, { tag: i, timeout: PATIENCE });
await dealer.flushAsync({ timeout: PATIENCE });
dealer.close();

console.log(`dealt ${count} tasks`);
