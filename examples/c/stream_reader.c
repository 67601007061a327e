/* Reads until the writer closes, and compares every message byte for byte with the one expected.
 *
 * Usage: stream_reader [CHANNEL] [COUNT] [MAX_SIZE]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "stream";
  uint32_t messages = number(count, arguments, 2, 1000000), max_size = number(count, arguments, 3, 255), received = 0;
  unsigned char *bytes = block(65536 + max_size);
  sha256 hash = sha256_begin();
  kren_options options = kren_options_default();
  kren_reader *reader;
  kren_message message;
  int code;
  options.timeout_ns = PATIENCE;

  MUST(kren_reader_connect(channel, &options, &reader));
  while ((code = kren_read(reader, &message, KREN_FOREVER)) == KREN_OK) {
    size_t len = stream_length(received, max_size);
    if (message.len != len || memcmp(message.data, bytes + stream_start(received), len) != 0) {
      fail("a message is not the one that was sent");
    }
    sha256_add(&hash, message.data, message.len);
    received++;
  }
  if (code != KREN_CLOSED) fail_with_last("kren_read");
  MUST(kren_reader_close(reader));

  if (received != messages) fail("not as many messages came as were sent");
  printf("received %u messages\n", received);
  sha256_print(&hash);
  free(bytes);
  return 0;
}
