/* What servers and clients of a soak agree on; `src/soak/books.rs` says the same. */
#ifndef CALLS_H
#define CALLS_H

#include "plan.h"

/* How a call ended. */
enum { ONCE = 1, AGAIN = 2, DIED = 3, NOBODY = 4 };

/* Whether a call may be done twice: two of three. */
static inline int may_retry(uint32_t number) { return number % 3 != 0; }

/* How many items the answer has; -1 where it is one reply. */
static inline int items(uint32_t number) { return number % 6 == 0 ? (int)(number % 5) : -1; }

#endif
