// A reader whose messages are awaited on an asio loop, which has time for everything else meanwhile. C++20.
#ifndef AWAITABLE_HPP
#define AWAITABLE_HPP

#include <asio.hpp>
#include <kren.hpp>
#include <unistd.h>

// All that read serve: kren::reader, kren::subscriber, kren::inbox, kren::worker.
template <class Reader>
class awaitable_reader {
 public:
  awaitable_reader(const asio::any_io_executor &loop, Reader reader)
      // A descriptor of asio's own, which it closes; the library's stays the library's.
      : reader_(std::move(reader)), readable_(loop, dup(reader_.fd())) {}

  // The next message. What a read that waits would throw is thrown here too, kren::error with KREN_CLOSED at the end.
  asio::awaitable<kren::message> read() {
    for (;;) {
      // Before each wait: it is this that makes the descriptor tell of the next message.
      if (auto message = reader_.try_read()) co_return std::move(*message);
      co_await readable_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    }
  }

 private:
  Reader reader_;
  asio::posix::stream_descriptor readable_;
};

#endif
