// Reads until the writer closes, and compares every message byte for byte with the one expected.
//
// Usage: stream_reader [CHANNEL] [COUNT] [MAX_SIZE]
#include "example.hpp"

int main(int count, char **arguments) {
  auto messages = number(count, arguments, 2, 1000000), max_size = number(count, arguments, 3, 255);
  auto bytes = pattern(65536 + max_size);
  auto hash = sha256_begin();
  std::uint32_t received = 0;

  kren::reader reader(count > 1 ? arguments[1] : "stream", patient());
  for (auto &message : reader) {
    auto len = stream_length(received, max_size);
    if (message.size() != len || std::memcmp(message.data(), bytes.get() + stream_start(received), len) != 0) {
      fail("a message is not the one that was sent");
    }
    sha256_add(&hash, message.data(), message.size());
    received++;
  }

  if (received != messages) fail("not as many messages came as were sent");
  std::printf("received %u messages\n", received);
  sha256_print(&hash);
}
