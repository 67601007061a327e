"""What the workers of a soak share: messages, journals, control words. `src/soak` says why."""

import mmap
import os
import struct
import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

SPREAD: Final = 4096
HEAD: Final = struct.Struct("<II")
WORD: Final = struct.Struct("<Q")

STOP: Final = 1
LAST: Final = 2

INTENT: Final = 0
DONE: Final = 1
READ: Final = 2
"""What stands in the journal of those that make messages; the last, of an inbox's senders."""

LOOK: Final = 0.2
"""Seconds that a blocking call may last before the control word is looked at."""
WEDGED: Final = 120
"""Seconds after which a call that is not over is wedged."""
BREATHER: Final = 0.002
"""Seconds to leave a peer that is gone before asking again."""

Strategy = Literal["adaptive", "spin", "sleep"]
STRATEGIES: Final[dict[str, Strategy]] = {
    "adaptive": "adaptive",
    "spin": "spin",
    "sleep": "sleep",
}


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
    place: int
    """Which control word is its own."""
    kind: str

    @classmethod
    def parse(cls) -> "Task":
        folder, channel, capacity, longest, strategy, session, place, kind = sys.argv[1:]
        return cls(
            Path(folder),
            channel,
            int(capacity),
            Plan(int(longest)),
            STRATEGIES[strategy],
            int(session),
            int(place),
            kind,
        )

    def control(self) -> "Control":
        return Control(self)

    def log(self, name: str) -> "Log":
        return Log(self.folder / name)


class Control:
    """What a worker is told meanwhile."""

    def __init__(self, task: Task) -> None:
        self._words = Words(task.folder / "control")
        self._place = task.place

    def word(self) -> int:
        return self._words[self._place]


class Log:
    """Lines that are whole, because each is one `write`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def line(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


class Ledger:
    """A byte for each message of a session."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)

    def __getitem__(self, number: int) -> int:
        byte = os.pread(self._file, 1, number)
        return byte[0] if byte else 0

    def __setitem__(self, number: int, value: int) -> None:
        os.pwrite(self._file, bytes((value,)), number)


class Ledgers:
    """How often each message of each session was done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[int, Ledger] = {}

    def note(self, session: int, number: int) -> int:
        """Note it once more; how often it was before."""
        ledger = self._open.get(session)
        if ledger is None:
            ledger = self._open[session] = Ledger(self._folder / f"ledger-{session}")
        before = ledger[number]
        ledger[number] = before + 1
        return before


class Expected:
    """Which message must come next."""

    def __init__(self, word: int) -> None:
        self._session, self._next = word >> 32, word & 0xFFFF_FFFF
        self._is_first = True

    def word(self) -> int:
        return self._session << 32 | self._next

    def number(self) -> int:
        return self._next

    def end(self) -> str:
        mark = " first" if self._is_first else ""
        return f"end {self._session} {self._next}{mark}"

    def meet(self, session: int, number: int) -> str | None:
        """Take the next message; a line for the log if it is out of the ordinary."""
        known, ended, is_first = (self._session, self._next), self.end(), self._is_first
        self._session, self._next, self._is_first = session, number + 1, False
        if (session, number) == known:
            return None
        if session == known[0] and is_first and number + 1 == known[1]:
            return f"again {session} {number}"
        if session == known[0] and is_first and number == known[1] + 1:
            return f"in-hand {session} {known[1]}"
        if session > known[0] and number == 0:
            return ended
        if session > known[0] and number == 1 and is_first:
            return f"{ended}\nin-hand {session} 0"
        sys.exit(f"(session, number) {(session, number)} followed {known}")
