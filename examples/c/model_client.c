/* Calls the methods of model_server, in whatever language that is written.
 *
 * Some at a time, and one whose answer comes in parts.
 *
 * Usage: model_client [CHANNEL] [COUNT]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "model";
  uint32_t scores = number(count, arguments, 2, 100), at;
  uint64_t *calls = (uint64_t *)calloc(scores, sizeof *calls);
  unsigned char *request = (unsigned char *)malloc(scores + 1);
  const char *words = "one word at a time", *gap = "";
  kren_call_options options;
  kren_client *client;
  kren_message reply;
  uint64_t call;
  int code;
  if (calls == NULL || request == NULL) fail("no memory");
  memset(&options, 0, sizeof options);
  options.size = sizeof options;

  MUST(kren_client_connect(channel, NULL, &client));
  options.method = "score";
  for (at = 0; at < scores; at++) {
    memset(request, (int)(at & 255), at + 1);
    MUST(kren_call_start(client, request, at + 1, &options, &calls[at], PATIENCE));
  }
  for (at = 0; at < scores; at++) {
    char expected[32];
    size_t len = (size_t)snprintf(expected, sizeof expected, "%u", (at + 1) * (at & 255));
    MUST(kren_call_next(client, calls[at], &reply, KREN_FOREVER));
    if (reply.len != len || memcmp(reply.data, expected, len) != 0) fail("a score is wrong");
  }
  printf("scored %u\n", scores);

  options.method = "complete";
  MUST(kren_call_start(client, words, strlen(words), &options, &call, PATIENCE));
  while ((code = kren_call_next(client, call, &reply, KREN_FOREVER)) == KREN_OK) {
    printf("%s%.*s", gap, (int)reply.len, (const char *)reply.data);
    gap = " ";
  }
  if (code != KREN_END) fail_with_last("kren_call_next");
  puts("");
  MUST(kren_client_close(client));
  free(calls);
  free(request);
  return 0;
}
