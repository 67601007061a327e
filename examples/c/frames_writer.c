/* Writes COUNT images of 1 MiB as fast as the reader takes them.
 *
 * Usage: frames_writer [CHANNEL] [COUNT] [--no-hash]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "frames";
  uint32_t frames = number(count, arguments, 2, 1000), at;
  int hashed = !has(count, arguments, "--no-hash");
  unsigned char *image = block(FRAME);
  sha256 hash = sha256_begin();
  kren_writer *writer;

  MUST(kren_writer_create(channel, 16 * FRAME, NULL, &writer));
  for (at = 0; at < frames; at++) {
    put_number(image, at);
    MUST(kren_write(writer, image, FRAME, 0, KREN_FOREVER));
    if (hashed) sha256_add(&hash, image, FRAME);
  }
  MUST(kren_writer_close(writer));

  printf("sent %u frames\n", frames);
  if (hashed) sha256_print(&hash);
  free(image);
  return 0;
}
