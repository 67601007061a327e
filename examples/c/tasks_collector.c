/* Collects the results of COUNT tasks from all workers, whoever did them.
 *
 * One that was done twice, as its worker was killed, counts once.
 *
 * Usage: tasks_collector [CHANNEL] [COUNT]
 */
#include "pattern.h"

#define RESULT 32
#define WORKERS 64

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "tasks";
  uint32_t tasks = number(count, arguments, 2, 1000), collected = 0, workers = 0, at;
  unsigned char *results = (unsigned char *)calloc(tasks, RESULT + 1);
  uint64_t known[WORKERS];
  sha256 hash = sha256_begin();
  kren_reader *inbox;
  char name[160];
  if (results == NULL) fail("no memory");
  snprintf(name, sizeof name, "%s-results", channel);

  MUST(kren_inbox_create(name, 1 << 20, NULL, &inbox));
  while (collected < tasks) {
    kren_message result;
    unsigned char *place;
    MUST(kren_read(inbox, &result, KREN_FOREVER));
    if (result.tag >= tasks || result.len != RESULT) fail("a result is of no task");
    for (at = 0; at < workers && known[at] != result.sender; at++) {
    }
    if (at == workers && workers < WORKERS) known[workers++] = result.sender;
    place = results + (size_t)result.tag * (RESULT + 1);
    if (place[RESULT]) continue;
    memcpy(place, result.data, RESULT);
    place[RESULT] = 1;
    if (++collected == tasks / 2) {
      printf("collected %u so far\n", collected);
      fflush(stdout);
    }
  }
  MUST(kren_reader_close(inbox));

  for (at = 0; at < tasks; at++) sha256_add(&hash, results + (size_t)at * (RESULT + 1), RESULT);
  printf("collected %u results of %u workers\n", tasks, workers);
  sha256_print(&hash);
  free(results);
  return 0;
}
