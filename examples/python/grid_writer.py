"""Builds COUNT grids of 480 x 640 numbers in place in the ring, for readers in Python and C.

Needs numpy: pip install numpy

Usage: python grid_writer.py [CHANNEL] [COUNT]
"""

import kren
import numpy as np

from pattern import channel, number

SHAPE = (480, 640)


def main() -> None:
    count = number(2, 100)
    cells = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    total = 0.0

    # 64: so the numbers lie as vector instructions like them.
    with kren.Writer(channel("grid"), 8 << 20, alignment=64) as writer:
        for i in range(count):
            with writer.reserve_array(SHAPE, np.float32, tag=i) as grid:
                grid[:] = (i + cells) % 1000
                total += grid.sum(dtype=np.float64)

    print(f"sent {count} grids")
    print(f"sum {total:.0f}")


main()
