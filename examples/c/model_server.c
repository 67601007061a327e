/* A server with two methods: `score` gives one answer, `complete` one word after the other.
 *
 * Serves until it is stopped.
 *
 * Usage: model_server [CHANNEL]
 */
#include "pattern.h"

#include <ctype.h>
#include <signal.h>

/* What the other languages answer by themselves where there is no such method. */
#define NO_METHOD 4294967294u

static volatile sig_atomic_t stopped;

static void stop(int signal_) {
  (void)signal_;
  stopped = 1;
}

static int is_stopped(void *context) {
  (void)context;
  return stopped;
}

static void score(kren_request *request, kren_message message) {
  const unsigned char *bytes = (const unsigned char *)message.data;
  uint64_t sum = 0;
  size_t at;
  char text[32];
  for (at = 0; at < message.len; at++) sum += bytes[at];
  /* A client that has given up, or reads nothing, concerns nobody else. */
  kren_reply(request, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)sum), 0);
}

static void complete(kren_request *request, kren_message message) {
  const char *text = (const char *)message.data;
  char word[256];
  size_t len = 0, at;
  for (at = 0; at <= message.len; at++) {
    if (at == message.len || text[at] == ' ') {
      kren_reply_item(request, word, len, 0);
      len = 0;
    } else if (len < sizeof word) {
      word[len++] = (char)toupper((unsigned char)text[at]);
    }
  }
  kren_reply_end(request);
}

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "model";
  kren_options options = kren_options_default();
  kren_server *server;
  kren_request *request;
  kren_message message;
  int code;
  options.check = is_stopped;
  signal(SIGINT, stop);
  signal(SIGTERM, stop);

  MUST(kren_server_create(channel, &options, &server));
  puts("serving");
  fflush(stdout);
  while ((code = kren_server_next(server, &request, &message, KREN_FOREVER)) == KREN_OK) {
    const char *method = kren_request_method(request);
    if (strcmp(method, "score") == 0) {
      score(request, message);
    } else if (strcmp(method, "complete") == 0) {
      complete(request, message);
    } else {
      kren_reply_fail(request, NO_METHOD, "there is no such method");
    }
  }
  if (code != KREN_INTERRUPTED) fail_with_last("kren_server_next");
  MUST(kren_server_close(server));
  return 0;
}
