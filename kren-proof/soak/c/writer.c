/* Makes the messages of a soak; `src/soak/worker.rs` is its twin. */
#include "plan.h"

static kren_writer *open_writer(const plan *task) {
  kren_options options = options_of(task);
  kren_writer *writer;
  switch (task->kind[0]) {
    case 'p': must(kren_publisher_create(task->channel, task->capacity, &options, &writer)); break;
    case 'd': must(kren_dealer_create(task->channel, task->capacity, &options, &writer)); break;
    case 's':
      options.capacity = task->capacity;
      must(kren_sender_connect(task->channel, &options, &writer));
      break;
    default: must(kren_writer_create(task->channel, task->capacity, &options, &writer));
  }
  return writer;
}

/* Writes it in one of the ways that there are. */
static int put(const plan *task, kren_writer *writer, uint32_t number, const void *message, size_t len) {
  void *room;
  int code;
  if (number % 3 != 0 || task->kind[0] == 'd') return kren_write(writer, message, len, 0, LOOK);
  if ((code = kren_reserve(writer, len, &room, LOOK)) != KREN_OK) return code;
  memcpy(room, message, len);
  return kren_commit(writer, len, 0);
}

int main(int count, char **arguments) {
  plan task = read_task(count, arguments);
  words *journal = journal_of(&task, task.session);
  void *message = malloc(HEAD + task.longest);
  kren_writer *writer = open_writer(&task);
  uint32_t number;
  if (message == NULL) fail("no memory");
  for (number = 0; told(&task) == 0; number++) {
    int code;
    make_message(&task, task.session, number, message);
    journal[INTENT] = number + 1;
    while ((code = put(&task, writer, number, message, message_len(&task, number))) != KREN_OK) {
      if (code != KREN_TIMED_OUT && code != KREN_CLOSED && code != KREN_PEER_DIED) must(code);
      if (told(&task) != 0) goto end;
      breathe();
    }
    journal[DONE] = number + 1;
  }
end:
  must(kren_writer_close(writer));
  return 0;
}
