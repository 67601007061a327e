// Deals COUNT tasks to the workers that are there, each to one, and waits until all are done.
//
// Usage: tasks_dealer [CHANNEL] [COUNT]
#include "example.hpp"

int main(int count, char **arguments) {
  auto tasks = number(count, arguments, 2, 1000);
  // Of the results, as the collector should have them.
  auto hash = sha256_begin();

  kren::dealer dealer(count > 1 ? arguments[1] : "tasks", 1 << 20);
  for (std::uint32_t at = 0; at < tasks; at++) {
    auto task = "task " + std::to_string(at);
    dealer.write(task, at);
    auto result = sha256_begin();
    unsigned char digest[32];
    sha256_add(&result, task.data(), task.size());
    sha256_end(&result, digest);
    sha256_add(&hash, digest, sizeof digest);
  }
  dealer.flush(kren::duration(PATIENCE));
  dealer.close();

  std::printf("dealt %u tasks\n", tasks);
  sha256_print(&hash);
}
