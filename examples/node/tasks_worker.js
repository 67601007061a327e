// Does the tasks that tasks_dealer gives it until that closes, and sends each result to tasks_collector; as many workers as you like.
//
// A task is done, for the dealer, when the next one is asked for: kill a worker, and another one does what it had begun.
//
// Usage: node tasks_worker.js [CHANNEL] [MILLISECONDS]; the second is how long each task takes.

import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import kren from '@pawanxz/kren';
import { PATIENCE, channel, number } from './pattern.js';

const name = channel('tasks');
const takes = number(2, 0);
const worker = new kren.Worker(name, { ahead: 4 });
const results = new kren.Sender(`${name}-results`);
let done = 0;

console.log('ready');
for await (const task of worker) {
  if (takes > 0) await setTimeout(takes);
  const result = createHash('sha256').update(task).digest();
  await results.writeAsync(result, { tag: task.tag, timeout: PATIENCE });
  done += 1;
}
worker.close();
results.close();

console.log(`did ${done} tasks`);
