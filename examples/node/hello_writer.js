// Writes one message and goes; it waits in shared memory for its reader.
// On Windows nothing waits where nobody is, so there the writer stays until the reader has come.
//
// Usage: node hello_writer.js [CHANNEL]

import process from 'node:process';
import kren from '@pawanxz/kren';
import { channel, PATIENCE } from './pattern.js';

const writer = new kren.Writer(channel('hello'), 4096);
writer.write('Hello from Node!');
if (process.platform === 'win32') writer.flush({ timeout: PATIENCE });
