/* The client of a soak; `src/soak/callers.rs` is its twin. */
#include "calls.h"

/* Calls under way at most. */
#define WINDOW 4u

/* How a call ends; all that comes must be what the server was sent. */
static uint8_t answer(const plan *task, kren_client *client, uint64_t call, uint32_t number, void *sent) {
  kren_message reply;
  int came = 0, code;
  make_message(task, task->session, number, sent);
  while ((code = kren_call_next(client, call, &reply, KREN_FOREVER)) == KREN_OK) {
    if (reply.tag != number || reply.len != message_len(task, number) || memcmp(reply.data, sent, reply.len) != 0)
      fail("a call was answered with something else");
    /* A single answer ends the call. */
    if (items(number) < 0) return may_retry(number) ? AGAIN : ONCE;
    came++;
  }
  if (code == KREN_SERVER_DIED && !may_retry(number)) return DIED;
  if (code != KREN_END) must(code);
  if (came != items(number)) fail("a call had another number of answers");
  return ONCE;
}

int main(int count, char **arguments) {
  plan task = read_task(count, arguments);
  words *journal = journal_of(&task, task.session);
  void *message = malloc(HEAD + task.longest);
  kren_options options = options_of(&task);
  kren_client *client;
  uint32_t first = 0;
  char name[64];
  int outcomes;
  if (message == NULL) fail("no memory");
  snprintf(name, sizeof name, "outcome-%" PRIu32, task.session);
  outcomes = open_in(&task, name, O_RDWR);
  options.capacity = task.capacity;
  must(kren_client_connect(task.channel, &options, &client));
  while (told(&task) == 0) {
    uint32_t end = first + 1 + first / 3 % WINDOW, number, started = 0;
    uint64_t calls[WINDOW];
    uint32_t numbers[WINDOW];
    journal[INTENT] = end;
    for (number = first; number < end; number++) {
      kren_call_options wanted;
      int code;
      memset(&wanted, 0, sizeof wanted);
      wanted.size = sizeof wanted;
      wanted.retry = (uint32_t)may_retry(number);
      make_message(&task, task.session, number, message);
      code = kren_call_start(client, message, message_len(&task, number), &wanted, &calls[started], WEDGED);
      if (code == KREN_NO_SERVER) {
        ledger_set(outcomes, number, NOBODY);
      } else {
        must(code);
        numbers[started++] = number;
      }
    }
    if (started == 0) breathe();
    /* In another order than they were sent. */
    while (started-- > 0)
      ledger_set(outcomes, numbers[started], answer(&task, client, calls[started], numbers[started], message));
    first = end;
    journal[DONE] = end;
  }
  must(kren_client_close(client));
  return 0;
}
