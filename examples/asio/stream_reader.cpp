// Awaits every message of a channel until its writer closes, while a timer of the same loop goes on.
//
//     g++ -std=c++20 stream_reader.cpp $(pkg-config --cflags --libs kren) -pthread -o stream_reader
//
// Usage: stream_reader [CHANNEL]
#include "../cpp/example.hpp"
#include "awaitable.hpp"

#include <chrono>
#include <span>

using namespace std::chrono_literals;

static asio::awaitable<void> tick(bool &done, unsigned &ticks) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!done) {
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
    ticks++;
  }
}

static asio::awaitable<void> read_all(const char *channel, bool &done) {
  awaitable_reader reader(co_await asio::this_coro::executor, kren::reader(channel, patient()));
  auto hash = sha256_begin();
  unsigned received = 0;
  try {
    for (;;) {
      kren::message message = co_await reader.read();
      std::span<const std::byte> bytes = message.span();
      sha256_add(&hash, bytes.data(), bytes.size());
      // Others have their turn too where messages never end.
      if (++received % 1000 == 0) co_await asio::post(asio::use_awaitable);
    }
  } catch (const kren::error &error) {
    if (error.code() != KREN_CLOSED) throw;
  }
  done = true;
  std::printf("received %u messages\n", received);
  sha256_print(&hash);
}

int main(int count, char **arguments) {
  asio::io_context loop(1);
  bool done = false;
  unsigned ticks = 0;
  auto failed = [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  };
  asio::co_spawn(loop, read_all(count > 1 ? arguments[1] : "stream", done), failed);
  asio::co_spawn(loop, tick(done, ticks), failed);
  loop.run();
  if (ticks == 0) fail("the timer stood still");
}
