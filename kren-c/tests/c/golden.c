/* The golden messages of docs/spec/payloads: read as what they are, described, and written again byte for byte; those that break a rule are
 * refused.
 *
 * Usage: golden CHANNEL [FILE array|arrays|bad]...
 */
#include "check.h"

#define ROOM 4

static void describe(const kren_array *array) {
  uint32_t dim;
  printf("%s:%u:", array->name, array->dtype);
  for (dim = 0; dim < array->ndim; dim++) printf(dim ? ",%zu" : "%zu", array->shape[dim]);
  printf("\n");
}

int main(int count, char **arguments) {
  static char bytes[1 << 16];
  kren_options options = kren_options_default();
  kren_writer *writer;
  kren_reader *reader;
  int at;
  options.alignment = 64;
  CHECK(count > 1);
  OK(kren_writer_create(arguments[1], sizeof bytes, &options, &writer));
  OK(kren_reader_connect(arguments[1], NULL, &reader));
  for (at = 2; at + 1 < count; at += 2) {
    const char *kind = arguments[at + 1];
    FILE *file = fopen(arguments[at], "rb");
    kren_message message;
    kren_array arrays[ROOM];
    kren_lease *lease;
    size_t len, found, part;
    CHECK(file != NULL);
    len = fread(bytes, 1, sizeof bytes, file);
    CHECK(fclose(file) == 0);
    OK(kren_write(writer, bytes, len, 0, 0));
    OK(kren_read(reader, &message, 0));
    if (strcmp(kind, "bad") == 0) {
      IS(KREN_NOT_AN_ARRAY, kren_message_array(&message, arrays));
      IS(KREN_NOT_AN_ARRAY, kren_message_arrays(&message, arrays, ROOM, &found));
      continue;
    }
    /* Written again from where it lies. */
    OK(kren_hold(reader, &message, &lease));
    if (strcmp(kind, "array") == 0) {
      OK(kren_message_array(&message, arrays));
      found = 1;
      OK(kren_write_array(writer, arrays, 0, 0));
    } else {
      OK(kren_message_arrays(&message, arrays, ROOM, &found));
      CHECK(found <= ROOM);
      OK(kren_write_arrays(writer, arrays, found, 0, 0));
    }
    for (part = 0; part < found; part++) describe(&arrays[part]);
    OK(kren_lease_release(lease));
    OK(kren_read(reader, &message, 0));
    CHECK(message.len == len && memcmp(message.data, bytes, len) == 0);
  }
  OK(kren_reader_close(reader));
  OK(kren_writer_close(writer));
  return 0;
}
