/* The server of a soak; `src/soak/callers.rs` is its twin. */
#include "calls.h"

static int goes_on(const plan *task, kren_server *server) {
  size_t clients;
  if (told(task) == 0) return 1;
  must(kren_server_peers(server, NULL, 0, &clients));
  return told(task) == LAST && clients > 0;
}

int main(int count, char **arguments) {
  plan task = read_task(count, arguments);
  ledgers all = {NULL, 0};
  kren_options options = options_of(&task);
  kren_server *server;
  kren_request *request;
  kren_message message;
  int code;
  options.capacity = task.capacity;
  options.standby_ns = LOOK;
  /* When it is its turn. */
  while ((code = kren_server_create(task.channel, &options, &server)) == KREN_TIMED_OUT)
    if (told(&task) != 0) return 0;
  must(code);
  while (goes_on(&task, server)) {
    uint32_t session, number;
    int left;
    if ((code = kren_server_next(server, &request, &message, LOOK)) == KREN_TIMED_OUT) continue;
    must(code);
    check_message(&task, message, &session, &number);
    note(&task, &all, session, number);
    left = items(number);
    if (left < 0) {
      must(kren_reply(request, message.data, message.len, number));
      continue;
    }
    for (; left > 0; left--) must(kren_reply_item(request, message.data, message.len, number));
    must(kren_reply_end(request));
  }
  must(kren_server_close(server));
  return 0;
}
