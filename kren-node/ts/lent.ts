// Memory that is lent to the program, to be taken back.

import { markAsUntransferable } from 'node:worker_threads';

/** Moved to another thread it could not be taken back. What is marked so in Deno cannot be taken back at all, so there it is not. */
export const markAsLent: (part: ArrayBuffer) => void =
  process.versions.deno === undefined ? markAsUntransferable : () => {};
