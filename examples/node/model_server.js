// A server with two methods: `score` gives one answer, `complete` one word after the other. Serves until it is stopped.
//
// Usage: node model_server.js [CHANNEL]

import process from 'node:process';
import kren from '@pawanxz/kren';
import { channel } from './pattern.js';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());

const server = new kren.Server(channel('model'));
server.method('score', (request) => String(request.data.reduce((sum, byte) => sum + byte, 0)));
server.method('complete', async function* (request) {
  for (const word of String(request.data).split(' ')) yield word.toUpperCase();
});
console.log('serving');
await server.serve({ signal: stop.signal });
server.close();
