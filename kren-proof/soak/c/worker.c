/* The worker of a soaked queue; `src/soak/takers.rs` is its twin. */
#include "plan.h"

int main(int count, char **arguments) {
  plan task = read_task(count, arguments);
  ledgers all = {NULL, 0};
  kren_options options = options_of(&task);
  kren_reader *worker;
  kren_message message;
  options.ahead = task.place - 1;
  must(kren_worker_connect(task.channel, &options, &worker));
  while (told(&task) != STOP) {
    int code = kren_read(worker, &message, LOOK);
    if (code == KREN_OK) {
      uint32_t session, number;
      check_message(&task, message, &session, &number);
      if (note(&task, &all, session, number) > 0 && !message.redelivered) {
        fprintf(stderr, "message %" PRIu32 " of dealer %" PRIu32 " came again, unmarked\n", number, session);
        return 1;
      }
      must(kren_release(worker, &message));
      continue;
    }
    /* The end of a dealer is told once; then it waits for the next one. */
    if (code == KREN_CLOSED || code == KREN_PEER_DIED) {
      breathe();
    } else if (code != KREN_TIMED_OUT) {
      must(code);
    }
    if (told(&task) == LAST) {
      kren_info info;
      info.size = sizeof info;
      must(kren_reader_info(worker, &info));
      if (info.state != KREN_ATTACHED) break;
    }
  }
  must(kren_reader_close(worker));
  return 0;
}
