// Reads images of 1 MiB until the writer closes, in place: nothing is copied out of the ring.
//
// Usage: frames_reader [CHANNEL] [COUNT] [--no-hash]
#include "example.hpp"

int main(int count, char **arguments) {
  auto frames = number(count, arguments, 2, 1000);
  bool hashed = !has(count, arguments, "--no-hash");
  auto hash = sha256_begin();
  std::uint32_t received = 0;

  kren::reader reader(count > 1 ? arguments[1] : "frames", patient());
  for (auto &frame : reader) {
    if (frame.size() != FRAME || get_number(data_of(frame)) != received) fail("a frame is not the one that was sent");
    if (hashed) sha256_add(&hash, frame.data(), frame.size());
    received++;
  }

  if (received != frames) fail("not as many frames came as were sent");
  std::printf("received %u frames\n", received);
  if (hashed) sha256_print(&hash);
}
