"""Adds up grids of numbers where they lie, until their writer, in Python or C, closes.

Needs numpy: pip install numpy

Usage: python grid_reader.py [CHANNEL]
"""

import kren
import numpy as np

from pattern import PATIENCE, channel


def main() -> None:
    count = 0
    total = 0.0

    with kren.Reader(channel("grid"), timeout=PATIENCE) as reader:
        while True:
            try:
                grid = reader.read_array()
            except kren.Closed:
                break
            total += grid.sum(dtype=np.float64)
            count += 1

    print(f"received {count} grids")
    print(f"sum {total:.0f}")


main()
