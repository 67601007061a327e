// Collects the results of COUNT tasks from all workers, whoever did them.
//
// One that was done twice, as its worker was killed, counts once.
//
// Usage: tasks_collector [CHANNEL] [COUNT]
#include "example.hpp"

#include <map>
#include <set>

int main(int count, char **arguments) {
  std::string name = count > 1 ? arguments[1] : "tasks";
  auto tasks = number(count, arguments, 2, 1000);
  std::map<std::uint32_t, std::string> results;
  std::set<std::uint64_t> workers;

  kren::inbox inbox((name + "-results").c_str(), 1 << 20);
  while (results.size() < tasks) {
    auto result = inbox.read();
    workers.insert(result.sender());
    if (results.emplace(result.tag(), result.str()).second && results.size() == tasks / 2) {
      std::printf("collected %u so far\n", tasks / 2);
      std::fflush(stdout);
    }
  }
  inbox.close();

  auto hash = sha256_begin();
  // In the order of the tasks.
  for (const auto &[task, result] : results) sha256_add(&hash, result.data(), result.size());
  std::printf("collected %u results of %zu workers\n", tasks, workers.size());
  sha256_print(&hash);
}
