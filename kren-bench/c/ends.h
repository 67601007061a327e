/* What src/transports/c.rs looks up in a shared object: both ways of a transport in C. The bytes are those of src/payload.rs. */
#ifndef ENDS_H
#define ENDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ends ends;

/* There and back are names of this pair's own; 0 if it cannot be opened. */
ends *ends_open(const char *there, const char *back, size_t size, size_t capacity, int in_place);
void ends_send(ends *both, uint64_t number);
uint64_t ends_receive(ends *both);
/* `step` is 1 where messages are numbered from `first` on, and 0 where all are the same. */
void ends_send_many(ends *both, uint64_t count, uint64_t first, uint64_t step);
uint64_t ends_receive_many(ends *both, uint64_t count);
void ends_close(ends *both);

#define FILL 7

static inline void payload_build(void *room, size_t size, uint64_t number) {
  size_t word = size < sizeof number ? size : sizeof number;
  memcpy(room, &number, word);
  memset((char *)room + word, FILL, size - word);
}

static inline uint64_t payload_read(const void *message, size_t size) {
  const char *bytes = (const char *)message;
  uint64_t sum = 0, word;
  size_t at;
  memcpy(&sum, bytes, size < sizeof sum ? size : sizeof sum);
  for (at = 64; at + sizeof word <= size; at += 64) {
    memcpy(&word, bytes + at, sizeof word);
    sum += word;
  }
  if (size >= 2 * sizeof word) {
    memcpy(&word, bytes + size - sizeof word, sizeof word);
    sum += word;
  }
  return sum;
}

#endif
