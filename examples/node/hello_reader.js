// Reads one message, from a writer in any language.
//
// Usage: node hello_reader.js [CHANNEL]

import kren from '@pawanxz/kren';
import { PATIENCE, channel } from './pattern.js';

const reader = new kren.Reader(channel('hello'), { timeout: PATIENCE });
console.log(reader.read().toString());
