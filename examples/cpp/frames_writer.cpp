// Writes COUNT images of 1 MiB, each built in place in shared memory.
//
// Usage: frames_writer [CHANNEL] [COUNT] [--no-hash]
#include "example.hpp"

int main(int count, char **arguments) {
  auto frames = number(count, arguments, 2, 1000);
  bool hashed = !has(count, arguments, "--no-hash");
  auto image = pattern(FRAME);
  auto hash = sha256_begin();

  kren::writer writer(count > 1 ? arguments[1] : "frames", 16 * FRAME);
  for (std::uint32_t at = 0; at < frames; at++) {
    put_number(image.get(), at);
    auto slot = writer.reserve(FRAME);
    std::memcpy(slot.data(), image.get(), FRAME);
    slot.commit();
    if (hashed) sha256_add(&hash, image.get(), FRAME);
  }
  writer.close();

  std::printf("sent %u frames\n", frames);
  if (hashed) sha256_print(&hash);
}
