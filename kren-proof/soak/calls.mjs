// What servers and clients of a soak agree on; `src/soak/books.rs` says the same.

/** How a call ended. */
export const [ONCE, AGAIN, DIED, NOBODY] = [1, 2, 3, 4];

/** Whether a call may be done twice: two of three. */
export const mayRetry = (number) => number % 3 !== 0;

/** How many items the answer has; undefined where it is one reply. */
export const items = (number) => (number % 6 === 0 ? number % 5 : undefined);
