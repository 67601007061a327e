/* Reads one message, from a writer in any language.
 *
 * Usage: hello_reader [CHANNEL]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "hello";
  kren_options options = kren_options_default();
  kren_reader *reader;
  kren_message message;
  options.timeout_ns = PATIENCE;

  MUST(kren_reader_connect(channel, &options, &reader));
  MUST(kren_read(reader, &message, KREN_FOREVER));
  printf("%.*s\n", (int)message.len, (const char *)message.data);
  MUST(kren_reader_close(reader));
  return 0;
}
