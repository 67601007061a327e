"""What the workers of a soak share: messages, journals, control words. `src/soak` says why."""

import mmap
import struct
import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

SPREAD: Final = 4096
HEAD: Final = struct.Struct("<II")
WORD: Final = struct.Struct("<Q")

STOP: Final = 1
LAST: Final = 2
WRITER: Final = 0
READER: Final = 1

LOOK: Final = 0.2
"""Seconds that a blocking call may last before the control word is looked at."""
BREATHER: Final = 0.002
"""Seconds to leave a peer that is gone before asking again."""

Strategy = Literal["adaptive", "spin", "sleep"]
STRATEGIES: Final[dict[str, Strategy]] = {"adaptive": "adaptive", "spin": "spin", "sleep": "sleep"}


class Plan:
    """Makes and checks messages."""

    def __init__(self, longest: int) -> None:
        self._table = bytes((at * 131 + (at >> 8) * 17) & 255 for at in range(SPREAD + longest))
        self._longest = longest

    def _content(self, number: int) -> bytes:
        length = (number * 2_654_435_761 & 0xFFFF_FFFF) % (self._longest + 1)
        start = number % SPREAD
        return self._table[start : start + length]

    def message(self, session: int, number: int) -> bytes:
        return HEAD.pack(session, number) + self._content(number)

    def check(self, message: bytes) -> tuple[int, int]:
        session, number = HEAD.unpack_from(message)
        if message[HEAD.size :] != self._content(number):
            sys.exit(f"damaged message: session {session} number {number}, {len(message)} bytes")
        return session, number


class Words:
    """Words of a file that outlive their process."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def __getitem__(self, at: int) -> int:
        word: int = WORD.unpack_from(self._map, 8 * at)[0]
        return word

    def __setitem__(self, at: int, value: int) -> None:
        WORD.pack_into(self._map, 8 * at, value)


class Task(NamedTuple):
    """What every worker is told."""

    folder: Path
    channel: str
    capacity: int
    plan: Plan
    strategy: Strategy
    session: int

    @classmethod
    def parse(cls) -> "Task":
        folder, channel, capacity, longest, strategy, session = sys.argv[1:]
        plan = Plan(int(longest))
        return cls(Path(folder), channel, int(capacity), plan, STRATEGIES[strategy], int(session))
