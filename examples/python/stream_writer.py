"""Writes COUNT messages of 0 to MAX_SIZE bytes as fast as the reader takes them.

Usage: python stream_writer.py [CHANNEL] [COUNT] [MAX_SIZE]
"""

import hashlib

import kren

from pattern import Messages, channel, number


def main() -> None:
    count = number(2, 1_000_000)
    messages = Messages(number(3, 255))
    sha256 = hashlib.sha256()

    with kren.Writer(channel("stream"), 4 * 1024 * 1024) as writer:
        for i in range(count):
            message = messages[i]
            writer.write(message)
            sha256.update(message)

    print(f"sent {count} messages")
    print(f"sha256 {sha256.hexdigest()}")


main()
