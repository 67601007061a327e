// Calls the methods of model_server, in whatever language that is written: some at a time, and one whose answer comes in parts.
//
// Usage: node model_client.js [CHANNEL] [COUNT]

import kren from '@pawanxz/kren';
import { PATIENCE, channel, number } from './pattern.js';

const count = number(2, 100);

const client = new kren.Client(channel('model'));
const calls = Array.from({ length: count }, (_, i) =>
  client.call(Buffer.alloc(i + 1, i & 255), { method: 'score', timeout: PATIENCE }),
);
const scores = (await Promise.all(calls)).map(Number);
if (scores.some((score, i) => score !== (i + 1) * (i & 255))) throw new Error('a score is wrong');
console.log(`scored ${count}`);

const words = [];
for await (const word of client.stream('one word at a time', { method: 'complete', timeout: PATIENCE })) {
  words.push(String(word));
}
console.log(words.join(' '));
client.close();
