/* Writes COUNT messages of 0 to MAX_SIZE bytes as fast as the reader takes them.
 *
 * Usage: stream_writer [CHANNEL] [COUNT] [MAX_SIZE]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "stream";
  uint32_t messages = number(count, arguments, 2, 1000000), max_size = number(count, arguments, 3, 255), at;
  unsigned char *bytes = block(65536 + max_size);
  sha256 hash = sha256_begin();
  kren_writer *writer;

  MUST(kren_writer_create(channel, 4 << 20, NULL, &writer));
  for (at = 0; at < messages; at++) {
    const unsigned char *message = bytes + stream_start(at);
    size_t len = stream_length(at, max_size);
    MUST(kren_write(writer, message, len, 0, KREN_FOREVER));
    sha256_add(&hash, message, len);
  }
  MUST(kren_writer_close(writer));

  printf("sent %u messages\n", messages);
  sha256_print(&hash);
  free(bytes);
  return 0;
}
