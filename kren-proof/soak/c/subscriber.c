/* The subscriber that is not durable; `src/soak/guest.rs` is its twin. */
#include "plan.h"

enum { SEEN, MISSED };

int main(int count, char **arguments) {
  plan task = read_task(count, arguments);
  int log = log_of(&task, "turns"), is_lossy = strcmp(task.kind, "lossy") == 0, has_last = 0;
  kren_options options = options_of(&task);
  kren_reader *subscriber;
  kren_message message;
  kren_info info;
  words *counts;
  char name[64];
  /* Session and number of the last message, and which of all it was. */
  uint32_t last_session = 0, last_number = 0;
  uint64_t last_at = 0;
  snprintf(name, sizeof name, "subscriber-%" PRIu32, task.place);
  counts = words_of(&task, name);
  if (is_lossy) options.flags = KREN_LOSSY;
  must(kren_subscriber_connect(task.channel, &options, &subscriber));
  while (told(&task) != STOP) {
    uint32_t session, number;
    int code;
    must(kren_release(subscriber, NULL));
    info.size = sizeof info;
    must(kren_reader_info(subscriber, &info));
    code = kren_read(subscriber, &message, LOOK);
    if (code == KREN_LAGGED && is_lossy && kren_error_figure() > 0) {
      counts[MISSED] += kren_error_figure();
      continue;
    }
    if (code == KREN_TIMED_OUT) continue;
    if (code == KREN_CLOSED || code == KREN_PEER_DIED) {
      if (told(&task) == LAST) break;
      breathe();
      continue;
    }
    must(code);
    check_message(&task, message, &session, &number);
    if (has_last) {
      uint64_t gap = info.number - last_at - 1;
      char line[256];
      if (session == last_session && number != last_number + 1 + gap) {
        snprintf(line, sizeof line, "after (%" PRIu32 ", %" PRIu32 ") to %" PRIu32 ", %" PRIu64 " were missed by the count",
                 session, last_number, number, gap);
        fail(line);
      }
      if (session != last_session) {
        /* Held against what the durable one says of the sessions' ends. */
        snprintf(line, sizeof line, "%" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu32 " %" PRIu32, last_session,
                 last_number + 1, gap, session, number);
        log_line(log, line);
      }
    }
    has_last = 1;
    last_session = session;
    last_number = number;
    last_at = info.number;
    counts[SEEN] += 1;
    if (is_lossy && number % 3000 == 0) usleep(20000);
  }
  must(kren_reader_close(subscriber));
  return 0;
}
