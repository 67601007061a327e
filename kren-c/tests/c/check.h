/* What the tests have in common. Valid as C and as C++. */
#ifndef CHECK_H
#define CHECK_H

#include <kren.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(truth)                                                       \
  do {                                                                     \
    if (!(truth)) {                                                        \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #truth); \
      exit(1);                                                             \
    }                                                                      \
  } while (0)

/* That a call returns this code. */
#define IS(code, call)                                                                                            \
  do {                                                                                                            \
    int got_ = (call);                                                                                            \
    if (got_ != (code)) {                                                                                         \
      char text_[512];                                                                                            \
      text_[0] = 0;                                                                                               \
      kren_error_message(text_, sizeof text_);                                                                    \
      fprintf(stderr, "%s:%d: %s, not %s: %s: %s\n", __FILE__, __LINE__, kren_code_name(got_), #code, #call, text_); \
      exit(1);                                                                                                    \
    }                                                                                                             \
  } while (0)

#define OK(call) IS(KREN_OK, call)

/* Far above what anything takes: only a hang gets there. */
#define PATIENCE ((int64_t)60000000000)

static inline int holds(kren_message message, const char *text) {
  return message.len == strlen(text) && memcmp(message.data, text, message.len) == 0;
}

#endif
