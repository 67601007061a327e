"""Makes pictures and sends each as an array: from a webcam if OpenCV and one are there, else drawn.

Usage: python frames.py CHANNEL NOTE [--size WIDTHxHEIGHT] [--rate FRAMES_PER_SECOND]

NOTE is a file with the number of the last picture that was sent, so that a restart counts on, and
whoever looks at the numbers sees that none was lost.
"""

import argparse
import contextlib
import os
import struct
import time
from pathlib import Path
from typing import Any

import kren
import numpy
from numpy.typing import NDArray


class Drawn:
    """Three discs that move over a picture of its own."""

    def __init__(self, width: int, height: int) -> None:
        y, x = numpy.mgrid[0:height, 0:width]
        self.background = numpy.empty((height, width, 4), "uint8")
        self.background[..., 0] = 40 + 50 * x // width
        self.background[..., 1] = 50 + 60 * y // height
        self.background[..., 2] = 90
        self.background[..., 3] = 255
        self.radius = height // 9
        side = numpy.arange(-self.radius, self.radius)
        self.disc = side[:, None] ** 2 + side**2 < self.radius**2

    def paint(self, target: NDArray[Any], number: int) -> None:
        """One picture, straight into the ring."""
        target[:] = self.background
        height, width, _ = target.shape
        for at, color in enumerate([(240, 90, 60), (250, 220, 90), (120, 220, 250)]):
            turn = number * (0.013 + 0.006 * at) + 2 * at
            x = int((0.5 + 0.4 * numpy.sin(turn)) * (width - 2 * self.radius))
            y = int((0.5 + 0.45 * numpy.cos(1.3 * turn)) * (height - 2 * self.radius))
            part = target[y : y + 2 * self.radius, x : x + 2 * self.radius, :3]
            part[self.disc] = color


class Webcam:
    """What the first camera of this machine shows."""

    def __init__(self, width: int, height: int) -> None:
        import cv2

        self.cv2 = cv2
        self.capture = cv2.VideoCapture(0)
        self.size = (width, height)
        if not self.capture.read()[0]:
            raise OSError("no picture from the camera")

    def paint(self, target: NDArray[Any], _number: int) -> None:
        """The next picture, scaled and in the page's colours."""
        _, picture = self.capture.read()
        small = self.cv2.resize(picture, self.size)
        self.cv2.cvtColor(small, self.cv2.COLOR_BGR2RGBA, dst=target)


def source(width: int, height: int) -> "Drawn | Webcam":
    """A camera, if there is one."""
    try:
        return Webcam(width, height)
    except (ImportError, OSError):
        return Drawn(width, height)


def room_for(writer: kren.Writer, shape: tuple[int, ...]) -> kren.ArraySlot:
    """Room for a picture, also when the reader has died and its successor takes a while to come."""
    while True:
        try:
            return writer.reserve_array(shape, "uint8")
        except kren.PeerDied:
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Sends pictures")
    parser.add_argument("channel")
    parser.add_argument("note", type=Path)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rate", type=float, default=30)
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))

    note = os.open(options.note, os.O_RDWR | os.O_CREAT)
    number = int.from_bytes(os.pread(note, 8, 0), "little")
    pictures = source(width, height)
    # Room for eight pictures: so long may the reader stand still before this waits for it.
    capacity = 8 * (width * height * 4 + 4096)
    with kren.Writer(options.channel, capacity, alignment=64) as writer:
        due = time.monotonic()
        try:
            while True:
                number += 1
                with room_for(writer, (height + 1, width, 4)) as room:
                    pictures.paint(room[:height], number)
                    # One row more, which is not shown: number, time in nanoseconds, process.
                    stamp = struct.pack("<qqq", number, time.time_ns(), os.getpid())
                    room[height].reshape(-1)[: len(stamp)] = numpy.frombuffer(stamp, "uint8")
                os.pwrite(note, number.to_bytes(8, "little"), 0)
                due = max(due + 1 / options.rate, time.monotonic() - 0.5)
                time.sleep(max(0, due - time.monotonic()))
        except KeyboardInterrupt:
            # The show is over: nobody comes for what is left.
            writer.close(discard=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
