"""Writes COUNT images of 1 MiB as fast as the reader takes them, each built in place in the ring.

With --no-hash on both sides the figures are those of the channel alone: SHA-256 is the slower part.

Usage: python frames_writer.py [CHANNEL] [COUNT] [--no-hash]
"""

import hashlib
import sys

import kren

from pattern import FRAME, block, channel, number


def main() -> None:
    count = number(2, 1000)
    hashed = "--no-hash" not in sys.argv
    image = block(FRAME)
    sha256 = hashlib.sha256()

    with kren.Writer(channel("frames"), 16 * FRAME) as writer:
        for i in range(count):
            with writer.reserve(FRAME) as slot:
                slot[:] = image
                slot[:8] = i.to_bytes(8, "little")
                if hashed:
                    sha256.update(slot)

    print(f"sent {count} frames")
    if hashed:
        print(f"sha256 {sha256.hexdigest()}")


main()
