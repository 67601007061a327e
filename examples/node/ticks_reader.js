// Adds up tables of ticks where they lie in the ring, until the writer closes. The writer is examples/python/ticks_writer.py.
//
// Needs apache-arrow: npm install apache-arrow
//
// Usage: node ticks_reader.js [CHANNEL]

import { performance } from 'node:perf_hooks';
import kren from '@pawanxz/kren';
import { PATIENCE, channel } from './pattern.js';

const totals = new Map();
let tables = 0;
let rows = 0;
let started = 0;

function add(table) {
  const column = (name, batch) => table.getChild(name).data[batch];
  for (let batch = 0; batch < table.batches.length; batch++) {
    const symbol = column('symbol', batch);
    const keys = symbol.values;
    const prices = column('price', batch).values;
    const sizes = column('size', batch).values;
    const sums = Array.from(symbol.dictionary, () => ({ shares: 0, cents: 0 }));
    for (let row = 0; row < keys.length; row++) {
      const sum = sums[keys[row]];
      sum.shares += sizes[row];
      sum.cents += sizes[row] * prices[row];
    }
    sums.forEach(({ shares, cents }, key) => {
      const total = totals.get(symbol.dictionary.get(key)) ?? { shares: 0, cents: 0 };
      totals.set(symbol.dictionary.get(key), { shares: total.shares + shares, cents: total.cents + cents });
    });
  }
}

const reader = new kren.Reader(channel('ticks'), { timeout: PATIENCE });
for (;;) {
  let borrowed;
  try {
    borrowed = reader.borrowTable();
  } catch (error) {
    if (error.code === 'KREN_CLOSED') break;
    throw error;
  }
  if (tables === 0) started = performance.now();
  add(borrowed.table);
  tables += 1;
  rows += borrowed.table.numRows;
  borrowed.release();
}
reader.close();

const millions = rows / (performance.now() - started) / 1e3;
console.log(`received ${tables} tables: ${millions.toFixed(1)} million ticks/s`);
for (const symbol of [...totals.keys()].sort()) {
  const { shares, cents } = totals.get(symbol);
  console.log(`${symbol} ${shares} shares at ${Math.floor(cents / shares)} cents, ${cents} cents in all`);
}
