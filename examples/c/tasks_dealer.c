/* Deals COUNT tasks to the workers that are there, each to one, and waits until all are done.
 *
 * Usage: tasks_dealer [CHANNEL] [COUNT]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "tasks";
  uint32_t tasks = number(count, arguments, 2, 1000), at;
  /* Of the results, as the collector should have them. */
  sha256 hash = sha256_begin();
  kren_writer *dealer;

  MUST(kren_dealer_create(channel, 1 << 20, NULL, &dealer));
  for (at = 0; at < tasks; at++) {
    char task[32];
    unsigned char digest[32];
    sha256 result = sha256_begin();
    size_t len = (size_t)snprintf(task, sizeof task, "task %u", at);
    MUST(kren_write(dealer, task, len, at, KREN_FOREVER));
    sha256_add(&result, task, len);
    sha256_end(&result, digest);
    sha256_add(&hash, digest, sizeof digest);
  }
  MUST(kren_flush(dealer, PATIENCE));
  MUST(kren_writer_close(dealer));

  printf("dealt %u tasks\n", tasks);
  sha256_print(&hash);
  return 0;
}
