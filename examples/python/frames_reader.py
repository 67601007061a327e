"""Reads images of 1 MiB where they lie in the ring, until the writer closes.

With --no-hash on both sides the figures are those of the channel alone: SHA-256 is the slower part.

Usage: python frames_reader.py [CHANNEL] [COUNT] [--no-hash]
"""

import hashlib
import sys
import time

import kren

from pattern import FRAME, PATIENCE, channel, number


def main() -> None:
    count = number(2, 1000)
    hashed = "--no-hash" not in sys.argv
    sha256 = hashlib.sha256()
    received = 0
    started = 0.0

    with kren.Reader(channel("frames"), timeout=PATIENCE) as reader:
        while True:
            try:
                lease = reader.borrow()
            except kren.Closed:
                break
            if received == 0:
                started = time.perf_counter()
            with lease as frame:
                if len(frame) != FRAME or frame[:8] != received.to_bytes(8, "little"):
                    sys.exit(f"frame {received} is not the one that was sent")
                if hashed:
                    sha256.update(frame)
            received += 1

    if received != count:
        sys.exit(f"{received} frames came, not {count}")
    rate = received / (time.perf_counter() - started)
    print(f"received {received} frames: {rate:.0f} fps, {rate * FRAME / 1e9:.2f} GB/s")
    if hashed:
        print(f"sha256 {sha256.hexdigest()}")


main()
