// Does tasks until the dealer closes, each in TAKES milliseconds, and sends the results to the collector.
//
// Usage: tasks_worker [CHANNEL] [TAKES]
#include "example.hpp"

#include <thread>

int main(int count, char **arguments) {
  std::string name = count > 1 ? arguments[1] : "tasks";
  std::chrono::milliseconds takes(number(count, arguments, 2, 0));
  kren::options options;
  options.ahead = 4;
  unsigned done = 0;

  kren::worker worker(name.c_str(), options);
  kren::sender results((name + "-results").c_str());
  std::puts("ready");
  std::fflush(stdout);
  for (auto &task : worker) {
    std::this_thread::sleep_for(takes);
    auto hash = sha256_begin();
    unsigned char digest[32];
    sha256_add(&hash, task.data(), task.size());
    sha256_end(&hash, digest);
    results.write(digest, task.tag());
    done++;
  }

  std::printf("did %u tasks\n", done);
}
