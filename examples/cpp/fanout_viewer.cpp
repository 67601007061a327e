// Looks at the images of fanout_publisher until it closes, where they lie; as many viewers as you like.
//
// With --lossy it never holds the publisher up, and says how many images it missed.
//
// Usage: fanout_viewer [CHANNEL] [COUNT] [--lossy]
#include "example.hpp"

int main(int count, char **arguments) {
  auto frames = number(count, arguments, 2, 200);
  auto hash = sha256_begin();
  std::uint64_t received = 0, missed = 0;
  auto options = patient();
  if (has(count, arguments, "--lossy")) options.flags = KREN_LOSSY;

  kren::subscriber subscriber(count > 1 ? arguments[1] : "fanout", options);
  for (bool more = true; more;) {
    try {
      auto frame = subscriber.read();
      if (frame.size() != FRAME || get_number(data_of(frame)) != received + missed) fail("a frame is not the one that was sent");
      sha256_add(&hash, frame.data(), frame.size());
      received++;
    } catch (const kren::error &error) {
      if (error.code() != KREN_LAGGED && error.code() != KREN_CLOSED) throw;
      missed += error.figure();
      more = error.code() == KREN_LAGGED;
    }
  }

  if (received + missed != frames) fail("not as many frames came as were sent");
  std::printf("received %u frames, missed %u\n", static_cast<unsigned>(received), static_cast<unsigned>(missed));
  if (missed == 0) sha256_print(&hash);
}
