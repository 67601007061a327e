// What is measured from Node.js: KREN and its rivals, each in a file of its own.
//
// A rival whose package is not installed is left out.

const FILES = ['kren', 'unix', 'child', 'worker', 'jsring', 'zeromq', 'patterns'];

export async function available() {
  const transports = [];
  for (const file of FILES) {
    try {
      const { TRANSPORTS } = await import(`./${file}.js`);
      transports.push(...TRANSPORTS);
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return transports;
}
