/* Looks at the images of fanout_publisher until it closes, where they lie; as many viewers as you like.
 *
 * With --lossy it never holds the publisher up, and says how many images it missed.
 *
 * Usage: fanout_viewer [CHANNEL] [COUNT] [--lossy]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "fanout";
  uint64_t frames = number(count, arguments, 2, 200), received = 0, missed = 0;
  sha256 hash = sha256_begin();
  kren_options options = kren_options_default();
  kren_reader *subscriber;
  kren_message frame;
  int code;
  options.timeout_ns = PATIENCE;
  if (has(count, arguments, "--lossy")) options.flags = KREN_LOSSY;

  MUST(kren_subscriber_connect(channel, &options, &subscriber));
  while ((code = kren_read(subscriber, &frame, KREN_FOREVER)) != KREN_CLOSED) {
    if (code == KREN_LAGGED) {
      missed += kren_error_figure();
      continue;
    }
    if (code != KREN_OK) fail_with_last("kren_read");
    if (frame.len != FRAME || get_number((const unsigned char *)frame.data) != received + missed) {
      fail("a frame is not the one that was sent");
    }
    sha256_add(&hash, frame.data, frame.len);
    received++;
  }
  MUST(kren_reader_close(subscriber));

  if (received + missed != frames) fail("not as many frames came as were sent");
  printf("received %u frames, missed %u\n", (unsigned)received, (unsigned)missed);
  if (missed == 0) sha256_print(&hash);
  return 0;
}
