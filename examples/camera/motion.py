"""Looks for motion in pictures where they lie in one ring, and sends them on with what it found.

Usage: python motion.py FROM_CHANNEL TO_CHANNEL
"""

import contextlib
import os
import sys
from typing import Any

import kren
import numpy
from numpy.typing import NDArray

STEP = 8
"""Every eighth picture element of each direction is looked at."""
CELL = 5
"""Looked-at elements on each side of a cell, in which there is motion or not."""


def boxes(before: NDArray[Any], now: NDArray[Any]) -> NDArray[Any]:
    """x, y, width and height of the cells in which two looks differ."""
    moved = numpy.abs(now - before) > 24
    rows, columns = (side // CELL for side in moved.shape)
    whole = moved[: rows * CELL, : columns * CELL]
    cells = whole.reshape(rows, CELL, columns, CELL).any(axis=(1, 3))
    y, x = numpy.nonzero(cells)
    side = STEP * CELL
    return numpy.stack([x * side, y * side, x * 0 + side, y * 0 + side], axis=1).astype("float32")


def main() -> None:
    source, target = sys.argv[1:3]
    before: NDArray[Any] | None = None
    with kren.Reader(source, timeout=None) as reader:
        capacity = reader.capacity + 65536
        with kren.Writer(target, capacity, alignment=64) as writer:
            try:
                while True:
                    try:
                        picture = reader.read_array()
                    except (kren.PeerDied, kren.Closed) as gone:
                        # What it had sent has been read by now. Its successor is waited for.
                        died = isinstance(gone, kren.PeerDied)
                        writer.write_arrays(
                            state=numpy.array([2 if died else 1, os.getpid()], "int32")
                        )
                        reader.wait_for_writer()
                        continue
                    number, time, camera = picture[-1].reshape(-1)[:24].view("int64")
                    image = picture[:-1]
                    now = image[::STEP, ::STEP, 1].astype("int16")
                    if before is None or before.shape != now.shape:
                        before = now
                    writer.write_arrays(
                        image=image,
                        boxes=boxes(before, now),
                        stamp=numpy.array([number, time, camera, os.getpid()]),
                    )
                    before = now
                    # The picture goes back to its writer here, and not with the next one.
                    del picture, image
            except KeyboardInterrupt:
                # The show is over: nobody comes for what is left.
                writer.close(discard=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
