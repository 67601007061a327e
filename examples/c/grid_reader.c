/* Adds up grids of numbers where they lie, until their writer closes.
 *
 * Usage: grid_reader [CHANNEL]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "grid";
  kren_options options = kren_options_default();
  kren_reader *reader;
  kren_message message;
  uint32_t grids = 0;
  double sum = 0;
  int code;
  options.timeout_ns = PATIENCE;

  MUST(kren_reader_connect(channel, &options, &reader));
  while ((code = kren_read(reader, &message, KREN_FOREVER)) == KREN_OK) {
    kren_array grid;
    const float *values;
    size_t cell;
    MUST(kren_message_array(&message, &grid));
    if (grid.dtype != KREN_FLOAT32 || grid.ndim != 2) fail("it is no grid of float32");
    values = (const float *)grid.data;
    for (cell = 0; cell < grid.shape[0] * grid.shape[1]; cell++) sum += values[cell];
    grids++;
  }
  if (code != KREN_CLOSED) fail_with_last("kren_read");
  MUST(kren_reader_close(reader));

  printf("received %u grids\nsum %.0f\n", grids, sum);
  return 0;
}
