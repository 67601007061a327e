// Does the tasks that tasks_dealer gives it until that closes, and sends each result to tasks_collector; as many workers as you like.
//
// A task is done, for the dealer, when the next one is asked for: kill a worker, and another one does what it had begun.
//
// Usage: node tasks_worker.js [CHANNEL]

import { createHash } from 'node:crypto';
import kren from '@pawanxz/kren';
import { PATIENCE, channel } from './pattern.js';

const name = channel('tasks');
const worker = new kren.Worker(name, { ahead: 4 });
const results = new kren.Sender(`${name}-results`);
let done = 0;

for await (const task of worker) {
  const result = createHash('sha256').update(task).digest();
  await results.writeAsync(result, { tag: task.tag, timeout: PATIENCE });
  done += 1;
}
worker.close();
results.close();

console.log(`did ${done} tasks`);
