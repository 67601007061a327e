// `import` gets the very classes that `require` gets, so that there is one KrenError to test against. As a namespace and
// by name, which mean the same to Node and to every bundler; they differ on what a CommonJS module's default is.

import * as api from './api.js';

export * from './api.js';
export default api;
