/* Writes one message and goes; it waits in shared memory for its reader.
 *
 * On Windows nothing waits where nobody is, so there the writer stays until the reader has come.
 *
 * Usage: hello_writer [CHANNEL]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "hello";
  const char *text = "Hello from C!";
  kren_writer *writer;

  MUST(kren_writer_create(channel, 4096, NULL, &writer));
  MUST(kren_write(writer, text, strlen(text), 0, KREN_FOREVER));
#ifdef _WIN32
  MUST(kren_flush(writer, PATIENCE));
#endif
  MUST(kren_writer_close(writer));
  return 0;
}
