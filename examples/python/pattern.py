"""What the examples share: the command line, and contents that every language makes alike.

examples/rust/src/lib.rs and examples/node/pattern.js are this file in those languages.
"""

import sys

PATIENCE = 10.0
"""Seconds that a reader waits for its writer to create the channel."""

FRAME = 1024 * 1024
"""The bytes of one image of the frames example."""


def channel(default: str) -> str:
    """Give the channel's name: the first argument of every example."""
    return sys.argv[1] if len(sys.argv) > 1 else default


def number(index: int, default: int) -> int:
    """Give argument `index` as a number, or `default` where it is absent."""
    return int(sys.argv[index]) if len(sys.argv) > index else default


def block(length: int) -> bytes:
    """Make bytes that look random and are the same everywhere: xorshift32, four bytes a step."""
    state = 0x4B52454E
    words = []
    for _ in range((length + 3) // 4):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        words.append(state.to_bytes(4, "little"))
    return b"".join(words)[:length]


class Messages:
    """The stream's messages: slices of one block; place and length follow from their number."""

    def __init__(self, max_size: int) -> None:
        self._block = block(65536 + max_size)
        self._lengths = max_size + 1

    def __getitem__(self, number: int) -> bytes:
        start = number % 65536
        length = (number * 2654435761 & 0xFFFFFFFF) % self._lengths
        return self._block[start : start + length]
