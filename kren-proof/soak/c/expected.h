/* Which message must come next. */
#ifndef EXPECTED_H
#define EXPECTED_H

#include "plan.h"

typedef struct {
  uint32_t session, next;
  int is_first;
} expected;

static inline expected expect(uint64_t word) {
  expected next = {(uint32_t)(word >> 32), (uint32_t)word, 1};
  return next;
}

static inline uint64_t expected_word(const expected *next) { return (uint64_t)next->session << 32 | next->next; }

static inline void log_end(const expected *next, int log) {
  char line[128];
  snprintf(line, sizeof line, "end %" PRIu32 " %" PRIu32 "%s", next->session, next->next, next->is_first ? " first" : "");
  log_line(log, line);
}

/* Takes the next message; a line for the log if it is out of the ordinary. */
static inline void meet(expected *next, uint32_t session, uint32_t number, int log) {
  expected known = *next;
  char line[128];
  next->session = session;
  next->next = number + 1;
  next->is_first = 0;
  if (session == known.session && number == known.next) return;
  if (session == known.session && known.is_first && number + 1 == known.next) {
    snprintf(line, sizeof line, "again %" PRIu32 " %" PRIu32, session, number);
    log_line(log, line);
  } else if (session == known.session && known.is_first && number == known.next + 1) {
    snprintf(line, sizeof line, "in-hand %" PRIu32 " %" PRIu32, session, known.next);
    log_line(log, line);
  } else if (session > known.session && number == 0) {
    log_end(&known, log);
  } else if (session > known.session && number == 1 && known.is_first) {
    log_end(&known, log);
    snprintf(line, sizeof line, "in-hand %" PRIu32 " 0", session);
    log_line(log, line);
  } else {
    fprintf(stderr, "(%" PRIu32 ", %" PRIu32 ") followed (%" PRIu32 ", %" PRIu32 ")\n", session, number, known.session,
            known.next);
    exit(1);
  }
}

#endif
