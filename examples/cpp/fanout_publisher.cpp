// Publishes COUNT images of 1 MiB to VIEWERS viewers: each is written once, whatever their number.
//
// Usage: fanout_publisher [CHANNEL] [COUNT] [VIEWERS]
#include "example.hpp"

int main(int count, char **arguments) {
  auto frames = number(count, arguments, 2, 200), viewers = number(count, arguments, 3, 3);
  auto image = pattern(FRAME);
  auto hash = sha256_begin();

  kren::publisher publisher(count > 1 ? arguments[1] : "fanout", 16 * FRAME);
  // Without this the first images would be nobody's: a publisher without subscribers never waits.
  publisher.wait_for_subscribers(viewers, kren::duration(PATIENCE));
  for (std::uint32_t at = 0; at < frames; at++) {
    put_number(image.get(), at);
    publisher.write({image.get(), FRAME});
    sha256_add(&hash, image.get(), FRAME);
  }
  publisher.close();

  std::printf("sent %u frames\n", frames);
  sha256_print(&hash);
}
