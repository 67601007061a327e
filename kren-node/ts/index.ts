/**
 * Messages between processes of one machine, in any pair of Node.js, Python and Rust, through shared memory.
 *
 * @packageDocumentation
 */

import * as api from './api';

export * from './api';
// What `import kren from` is compiled to, wherever it is compiled to CommonJS, is `.default` of this.
export default api;
