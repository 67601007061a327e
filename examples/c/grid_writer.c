/* Builds COUNT grids of 480 x 640 numbers in place in the ring: arrays, which Python reads as numpy's.
 *
 * Usage: grid_writer [CHANNEL] [COUNT]
 */
#include "pattern.h"

int main(int count, char **arguments) {
  const char *channel = count > 1 ? arguments[1] : "grid";
  uint32_t grids = number(count, arguments, 2, 100), at;
  kren_options options = kren_options_default();
  kren_array grid = {0};
  kren_writer *writer;
  double sum = 0;
  grid.dtype = KREN_FLOAT32;
  grid.ndim = 2;
  grid.shape[0] = 480;
  grid.shape[1] = 640;

  /* So the numbers lie as vector instructions like them. */
  options.alignment = 64;
  MUST(kren_writer_create(channel, 8 << 20, &options, &writer));
  for (at = 0; at < grids; at++) {
    size_t cell;
    void *room;
    float *values;
    MUST(kren_reserve_array(writer, &grid, &room, KREN_FOREVER));
    values = (float *)room;
    for (cell = 0; cell < grid.nbytes / sizeof *values; cell++) {
      values[cell] = (float)((at + cell) % 1000);
      sum += values[cell];
    }
    MUST(kren_commit(writer, grid.nbytes, at));
  }
  MUST(kren_writer_close(writer));

  printf("sent %u grids\nsum %.0f\n", grids, sum);
  return 0;
}
