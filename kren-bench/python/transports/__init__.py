"""What is measured from Python: KREN and its rivals, each in a file of its own.

A rival whose package is not installed is left out.
"""

import importlib
import time
from collections.abc import Callable, Iterator
from typing import ClassVar, TypeVar

SMALLEST, LARGEST = 1, 1 << 24
BUSY = ("trips", "timed", "stream")
"""For a side that never sleeps."""
SLEEPS = (*BUSY, "wake", "idle")
"""For one that does."""

T = TypeVar("T")


class Ends:
    """One end of a transport that goes both ways."""

    name: ClassVar[str]
    how: ClassVar[str]
    """How it is used, for the reader of a record."""
    tests: ClassVar[tuple[str, ...]] = BUSY
    sizes: ClassVar[tuple[int, int]] = (SMALLEST, LARGEST)

    listed: ClassVar[bool] = True
    """Whether it has its turn among the others; else other things are measured with it."""

    send: Callable[[bytes], object]
    receive: Callable[[], bytes]

    def __init__(self, order: dict) -> None:
        self.leads = order["side"] == "lead"
        self.size: int = order["size"]
        self.capacity: int = order["capacity"]
        self.session: str = order["session"]
        self.followers: int = order["followers"]
        self.run = 0
        """How often messages have been dealt."""
        self.at: int = order["at"]
        """Which of those that follow this one is, from 0."""
        # Polling takes the processor from the others where there are fewer of those than processes.
        self.strategy = "adaptive" if order["crowded"] else "spin"
        there, back = f"{self.session}-a", f"{self.session}-b"
        self.there, self.back = (there, back) if self.leads else (back, there)
        # What src/payload.rs calls the same message every time.
        self.payload = (bytes(range(8)) + b"\x07" * self.size)[: self.size]
        self.open()

    def open(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def send_many(self, count: int) -> None:
        send, payload = self.send, self.payload
        for _ in range(count):
            send(payload)

    def receive_many(self, count: int) -> bytes:
        """Receives `count` messages and gives the last."""
        receive = self.receive
        for _ in range(count):
            message = receive()
        return message

    @classmethod
    def describe(cls) -> dict:
        smallest, largest = cls.sizes
        return {
            "name": cls.name,
            "how": cls.how,
            "tests": cls.tests,
            "smallest": smallest,
            "largest": largest,
        }


def patiently(attempt: Callable[[], T], *errors: type[BaseException]) -> T:
    """Calls `attempt` until it succeeds, for an end that comes before the other one is ready."""
    end = time.monotonic() + 10
    while True:
        try:
            return attempt()
        except errors:
            if time.monotonic() > end:
                raise
            time.sleep(0.001)


def available() -> Iterator[type[Ends]]:
    """Every transport whose package is here, in the order it is shown."""
    modules = ("with_kren", "with_unix", "with_pipe", "with_queue", "with_slots")
    rivals = ("with_zeromq", "with_cloudtoid", "with_iceoryx2")
    patterns = ("patterns_kren", "patterns_queue", "patterns_fifo", "patterns_zeromq")
    for module in (*modules, *rivals, *patterns):
        try:
            loaded = importlib.import_module(f"transports.{module}")
        except ModuleNotFoundError:
            continue
        yield from loaded.TRANSPORTS
