/* Publishes COUNT images of 1 MiB to VIEWERS viewers: each is written once, whatever their number.
 *
 * Usage: fanout_publisher [CHANNEL] [COUNT] [VIEWERS]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "fanout";
  uint32_t frames = number(count, arguments, 2, 200), viewers = number(count, arguments, 3, 3), at;
  unsigned char *image = block(FRAME);
  sha256 hash = sha256_begin();
  kren_writer *publisher;

  MUST(kren_publisher_create(channel, 16 * FRAME, NULL, &publisher));
  /* Without this the first images would be nobody's: a publisher without subscribers never waits. */
  MUST(kren_wait_for_subscribers(publisher, viewers, PATIENCE));
  for (at = 0; at < frames; at++) {
    put_number(image, at);
    MUST(kren_write(publisher, image, FRAME, 0, KREN_FOREVER));
    sha256_add(&hash, image, FRAME);
  }
  MUST(kren_writer_close(publisher));

  printf("sent %u frames\n", frames);
  sha256_print(&hash);
  free(image);
  return 0;
}
