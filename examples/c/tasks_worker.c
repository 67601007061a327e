/* Does tasks until the dealer closes, each in TAKES milliseconds, and sends the results to the collector.
 *
 * Usage: tasks_worker [CHANNEL] [TAKES]
 */
#define _POSIX_C_SOURCE 200809L
#include "pattern.h"

#include <time.h>

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "tasks";
  uint32_t takes = number(count, arguments, 2, 0), done = 0;
  struct timespec pause;
  kren_options options = kren_options_default();
  kren_reader *worker;
  kren_writer *results;
  kren_message task;
  char name[160];
  int code;
  pause.tv_sec = takes / 1000;
  pause.tv_nsec = takes % 1000 * 1000000;
  options.ahead = 4;
  snprintf(name, sizeof name, "%s-results", channel);

  MUST(kren_worker_connect(channel, &options, &worker));
  MUST(kren_sender_connect(name, NULL, &results));
  puts("ready");
  fflush(stdout);
  while ((code = kren_read(worker, &task, KREN_FOREVER)) == KREN_OK) {
    unsigned char digest[32];
    sha256 hash = sha256_begin();
    nanosleep(&pause, NULL);
    sha256_add(&hash, task.data, task.len);
    sha256_end(&hash, digest);
    MUST(kren_write(results, digest, sizeof digest, task.tag, KREN_FOREVER));
    done++;
  }
  if (code != KREN_CLOSED) fail_with_last("kren_read");
  MUST(kren_writer_close(results));
  MUST(kren_reader_close(worker));

  printf("did %u tasks\n", done);
  return 0;
}
