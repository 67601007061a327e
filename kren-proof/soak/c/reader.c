/* The reader of a channel, and of all that a broadcast has; `src/soak/worker.rs` and `guest.rs` are its twins. */
#include "expected.h"

/* Null if both sides have left the channel drained, and nobody wants more. */
static kren_reader *open_reader(const plan *task, int is_durable) {
  kren_options options = options_of(task);
  kren_reader *reader;
  int code;
  if (is_durable) {
    options.durable = "soak";
    must(kren_subscriber_connect(task->channel, &options, &reader));
    return reader;
  }
  options.timeout_ns = LOOK;
  while ((code = kren_reader_connect(task->channel, &options, &reader)) == KREN_NOT_FOUND)
    if (told(task) != 0) return NULL;
  must(code);
  return reader;
}

int main(int count, char **arguments) {
  plan task = read_task(count, arguments);
  words *journal = words_of(&task, "reader");
  int log = log_of(&task, "log"), is_durable = strcmp(task.kind, "durable") == 0;
  expected next = expect(journal[0]);
  kren_reader *reader = open_reader(&task, is_durable);
  kren_message message;
  /* It is there: nothing is missed from here on. */
  journal[1] = 1;
  while (reader != NULL && told(&task) != STOP) {
    int code = kren_read(reader, &message, LOOK);
    if (code == KREN_OK) {
      uint32_t session, number;
      kren_lease *lease = NULL;
      /* Held, or borrowed. */
      if (next.next % 2 == 0) must(kren_hold(reader, &message, &lease));
      check_message(&task, message, &session, &number);
      meet(&next, session, number, log);
      journal[0] = expected_word(&next);
      must(lease != NULL ? kren_lease_release(lease) : kren_release(reader, &message));
    } else if (code == KREN_CLOSED || code == KREN_PEER_DIED) {
      if (told(&task) == LAST) break;
      breathe();
    } else if (code != KREN_TIMED_OUT) {
      must(code);
    }
  }
  if (told(&task) == LAST) {
    log_end(&next, log);
    if (is_durable) {
      must(kren_unsubscribe(reader));
      return 0;
    }
  }
  must(kren_reader_close(reader));
  return 0;
}
