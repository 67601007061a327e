"""Reads until the writer closes, and compares every message byte for byte with the one expected.

Usage: python stream_reader.py [CHANNEL] [COUNT] [MAX_SIZE]
"""

import hashlib
import sys
import time

import kren

from pattern import PATIENCE, Messages, channel, number


def main() -> None:
    count = number(2, 1_000_000)
    messages = Messages(number(3, 255))
    sha256 = hashlib.sha256()
    received = size = 0
    started = 0.0

    with kren.Reader(channel("stream"), timeout=PATIENCE) as reader:
        for message in reader:
            if received == 0:
                started = time.perf_counter()
            if message != messages[received]:
                sys.exit(f"message {received} is not the one that was sent")
            sha256.update(message)
            received += 1
            size += len(message)

    if received != count:
        sys.exit(f"{received} messages came, not {count}")
    seconds = time.perf_counter() - started
    rate, volume = received / seconds / 1e6, size / seconds / 1e9
    print(f"received {received} messages: {rate:.2f} M messages/s, {volume:.2f} GB/s")
    print(f"sha256 {sha256.hexdigest()}")


main()
