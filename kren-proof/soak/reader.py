"""The Python reader of a soak; `src/soak/worker.rs` is its twin."""

import os
import sys
import time

import kren

from plan import BREATHER, LAST, LOOK, READER, STOP, Task, Words


class Expected:
    """Which message must come next."""

    def __init__(self, word: int) -> None:
        self._session, self._next = word >> 32, word & 0xFFFF_FFFF
        self._is_first = True

    def word(self) -> int:
        return self._session << 32 | self._next

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


def connect(task: Task, control: Words) -> kren.Reader | None:
    """The reader; None if both sides have left the channel drained, and nobody wants more."""
    while True:
        try:
            return kren.Reader(task.channel, timeout=LOOK, strategy=task.strategy)
        except kren.NotFound:
            if control[READER]:
                return None


def main() -> None:
    task = Task.parse()
    control = Words(task.folder / "control")
    journal = Words(task.folder / "reader")
    log = os.open(task.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    expected = Expected(journal[0])

    def take(message: bytes) -> None:
        note = expected.meet(*task.plan.check(message))
        if note is not None:
            os.write(log, f"{note}\n".encode())
        journal[0] = expected.word()

    reader = connect(task, control)
    while reader is not None and control[READER] != STOP:
        try:
            # A copy is released before it can be noted, a lease after: both must be accounted for.
            if expected.word() % 2:
                take(reader.read(LOOK))
            else:
                with reader.borrow(LOOK) as lease:
                    take(bytes(lease))
        except kren.TimedOut:
            continue
        except (kren.Closed, kren.PeerDied):
            if control[READER] == LAST:
                break
            time.sleep(BREATHER)
    if control[READER] == LAST:
        os.write(log, f"{expected.end()}\n".encode())
    if reader is not None:
        reader.close()


main()
