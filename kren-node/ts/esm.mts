// `import` gets the very classes that `require` gets, so that there is one KrenError to test against.

import kren from './index.js';

export * from './index.js';
export default kren;
