// A server with two methods: `score` gives one answer, `complete` one word after the other.
//
// Serves until it is stopped.
//
// Usage: model_server [CHANNEL]
#include "example.hpp"

#include <cctype>
#include <csignal>

namespace {

// What the other languages answer by themselves where there is no such method.
constexpr std::uint32_t no_method = 4294967294;

volatile std::sig_atomic_t stopped;

void answer(kren::request request) {
  if (request.method() == "score") {
    std::uint64_t sum = 0;
    for (std::byte byte : request) sum += std::to_integer<std::uint64_t>(byte);
    request.reply(std::to_string(sum));
  } else if (request.method() == "complete") {
    std::string word;
    for (char letter : request.str() + " ") {
      if (letter == ' ') {
        request.item(word);
        word.clear();
      } else {
        word += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
      }
    }
    request.finish();
  } else {
    request.fail(no_method, "there is no such method");
  }
}

}  // namespace

int main(int count, char **arguments) {
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { stopped = 1; });
  kren::options options;
  options.check = [](void *) -> int { return stopped; };

  kren::server server(count > 1 ? arguments[1] : "model", options);
  std::puts("serving");
  std::fflush(stdout);
  while (!stopped) {
    try {
      answer(server.next());
    } catch (const kren::error &error) {
      // A client that has given up, or reads nothing, concerns nobody else.
      if (error.code() != KREN_INTERRUPTED) std::fprintf(stderr, "%s\n", error.what());
    }
  }
}
