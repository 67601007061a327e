/* The inbox of a soak; `src/soak/takers.rs` is its twin. */
#include "expected.h"

typedef struct {
  words *journal;
  expected next;
} sender;

static sender *senders;
static uint32_t known;

static sender *sender_of(const plan *task, uint32_t session) {
  while (known <= session) {
    senders = (sender *)realloc(senders, (known + 1) * sizeof *senders);
    if (senders == NULL) fail("no memory");
    senders[known++].journal = NULL;
  }
  if (senders[session].journal == NULL) {
    senders[session].journal = journal_of(task, session);
    senders[session].next = expect((uint64_t)session << 32 | senders[session].journal[READ]);
  }
  return &senders[session];
}

int main(int count, char **arguments) {
  plan task = read_task(count, arguments);
  int log = log_of(&task, "log");
  kren_options options = options_of(&task);
  kren_reader *inbox;
  kren_message message;
  must(kren_inbox_create(task.channel, task.capacity, &options, &inbox));
  while (told(&task) != STOP) {
    int code = kren_read(inbox, &message, LOOK);
    if (code == KREN_OK) {
      uint32_t session, number;
      sender *from;
      check_message(&task, message, &session, &number);
      from = sender_of(&task, session);
      meet(&from->next, session, number, log);
      from->journal[READ] = from->next.next;
      must(kren_release(inbox, &message));
    } else if (code == KREN_TIMED_OUT) {
      /* It waits for senders to come, so nobody else tells of the end. */
      kren_info info;
      info.size = sizeof info;
      must(kren_reader_info(inbox, &info));
      if (told(&task) == LAST && info.peers == 0) break;
    } else {
      must(code);
    }
  }
  must(kren_reader_close(inbox));
  return 0;
}
