/* KREN through kren.h, spinning: written and read, or built in place, as a program in C does. Little-endian machines. */
#include "ends.h"

#include <kren.h>
#include <stdio.h>
#include <stdlib.h>

struct ends {
  kren_writer *there;
  kren_reader *back;
  size_t size;
  int in_place;
  char *payload;
};

static void must(int code) {
  char text[512];
  if (code == KREN_OK) return;
  kren_error_message(text, sizeof text);
  fprintf(stderr, "%s\n", text);
  abort();
}

ends *ends_open(const char *there, const char *back, size_t size, size_t capacity, int in_place) {
  kren_options options = kren_options_default();
  ends *both = (ends *)calloc(1, sizeof *both);
  if (both == NULL || (both->payload = (char *)malloc(size + 8)) == NULL) return NULL;
  both->size = size;
  both->in_place = in_place;
  payload_build(both->payload, size, 0);
  options.strategy = KREN_SPIN;
  options.flags = KREN_PREFAULT;
  must(kren_writer_create(there, capacity, &options, &both->there));
  options.timeout_ns = INT64_C(10000000000);
  must(kren_reader_connect(back, &options, &both->back));
  return both;
}

static inline void put(ends *both, uint64_t number) {
  if (both->in_place) {
    void *room;
    must(kren_reserve(both->there, both->size, &room, KREN_FOREVER));
    payload_build(room, both->size, number);
    must(kren_commit(both->there, both->size, 0));
  } else {
    memcpy(both->payload, &number, both->size < sizeof number ? both->size : sizeof number);
    must(kren_write(both->there, both->payload, both->size, 0, KREN_FOREVER));
  }
}

static inline uint64_t take(ends *both) {
  kren_message message;
  must(kren_read(both->back, &message, KREN_FOREVER));
  return payload_read(message.data, message.len);
}

void ends_send(ends *both, uint64_t number) { put(both, number); }

uint64_t ends_receive(ends *both) { return take(both); }

void ends_send_many(ends *both, uint64_t count, uint64_t first, uint64_t step) {
  for (; count > 0; count--, first += step) put(both, first);
}

uint64_t ends_receive_many(ends *both, uint64_t count) {
  uint64_t sum = 0;
  for (; count > 0; count--) sum += take(both);
  return sum;
}

void ends_close(ends *both) {
  kren_writer_close(both->there);
  kren_reader_close(both->back);
  free(both->payload);
  free(both);
}
