// Writes COUNT messages of 0 to MAX_SIZE bytes as fast as the reader takes them.
//
// Usage: stream_writer [CHANNEL] [COUNT] [MAX_SIZE]
#include "example.hpp"

int main(int count, char **arguments) {
  auto messages = number(count, arguments, 2, 1000000), max_size = number(count, arguments, 3, 255);
  auto bytes = pattern(65536 + max_size);
  auto hash = sha256_begin();

  kren::writer writer(count > 1 ? arguments[1] : "stream", 4 << 20);
  for (std::uint32_t at = 0; at < messages; at++) {
    kren::bytes message(bytes.get() + stream_start(at), stream_length(at, max_size));
    writer.write(message);
    sha256_add(&hash, message.data(), message.size());
  }
  writer.close();

  std::printf("sent %u messages\n", messages);
  sha256_print(&hash);
}
