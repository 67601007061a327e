// The Node side of examples/python/demo.py: one process for each task.
//
// Usage: node demo.js measure|collect NAME [SIZES]

import { performance } from 'node:perf_hooks';
import process from 'node:process';
import kren from '@pawanxz/kren';

const [task, name, sizes] = process.argv.slice(2);
const timeout = 10_000;

/** For each size: sends messages back until an empty one comes, then counts messages until an empty one comes. */
function measure() {
  const back = new kren.Writer(`${name}-back`, 16 * 1024 * 1024);
  const reader = new kren.Reader(`${name}-there`, { timeout });
  for (let size = 0; size < Number(sizes); size++) {
    for (let message = reader.read(); message.length > 0; message = reader.read()) {
      back.write(message);
    }
    let messages = 1;
    let message = reader.read();
    const started = performance.now();
    for (message = reader.read(); message.length > 0; message = reader.read()) messages += 1;
    back.write(JSON.stringify([messages, (performance.now() - started) / 1e3]));
  }
  reader.close();
  back.close();
}

/** Reads numbers until an empty message comes; says where they began, how many came, and whether in order. */
function collect() {
  const reader = new kren.Reader(`${name}-crash`, { timeout });
  console.log('ready');
  let first;
  let messages = 0;
  let inOrder = true;
  for (let message = reader.read(); message.length > 0; message = reader.read()) {
    const number = Number(message.readBigUInt64LE());
    first ??= number;
    inOrder &&= number === first + messages;
    messages += 1;
  }
  reader.close();
  console.log(JSON.stringify([first, messages, inOrder]));
}

if (task === 'measure') measure();
else collect();
