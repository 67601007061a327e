"""Publishes COUNT images of 1 MiB to VIEWERS viewers: each is written once, whatever their number.

Usage: python fanout_publisher.py [CHANNEL] [COUNT] [VIEWERS]
"""

import hashlib

import kren

from pattern import FRAME, PATIENCE, block, channel, number


def main() -> None:
    count = number(2, 200)
    image = block(FRAME)
    sha256 = hashlib.sha256()

    with kren.Publisher(channel("fanout"), 16 * FRAME) as publisher:
        # Else the first images would be nobody's: a publisher without subscribers never waits.
        publisher.wait_for_subscribers(number(3, 3), PATIENCE)
        for i in range(count):
            with publisher.reserve(FRAME) as slot:
                slot[:] = image
                slot[:8] = i.to_bytes(8, "little")
                sha256.update(slot)

    print(f"sent {count} frames")
    print(f"sha256 {sha256.hexdigest()}")


main()
