/* Reads images of 1 MiB until the writer closes, in place: nothing is copied out of the ring.
 *
 * Usage: frames_reader [CHANNEL] [COUNT] [--no-hash]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "frames";
  uint32_t frames = number(count, arguments, 2, 1000), received = 0;
  int hashed = !has(count, arguments, "--no-hash"), code;
  sha256 hash = sha256_begin();
  kren_options options = kren_options_default();
  kren_reader *reader;
  kren_message frame;
  options.timeout_ns = PATIENCE;

  MUST(kren_reader_connect(channel, &options, &reader));
  while ((code = kren_read(reader, &frame, KREN_FOREVER)) == KREN_OK) {
    if (frame.len != FRAME || get_number((const unsigned char *)frame.data) != received) {
      fail("a frame is not the one that was sent");
    }
    if (hashed) sha256_add(&hash, frame.data, frame.len);
    received++;
  }
  if (code != KREN_CLOSED) fail_with_last("kren_read");
  MUST(kren_reader_close(reader));

  if (received != frames) fail("not as many frames came as were sent");
  printf("received %u frames\n", received);
  if (hashed) sha256_print(&hash);
  return 0;
}
