// Writes one message and goes; it waits in shared memory for its reader.
//
// Usage: node hello_writer.js [CHANNEL]

import kren from '@pawanxz/kren';
import { channel } from './pattern.js';

const writer = new kren.Writer(channel('hello'), 4096);
writer.write('Hello from Node!');
