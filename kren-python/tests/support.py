"""Helpers of the tests: child processes, and waiting for what another side does."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 30
"""Seconds to wait for something that takes milliseconds, before a test is failed."""


def segment_of(name: str) -> Path:
    """The file that holds the channel's shared memory."""
    return Path("/dev/shm") / f"kren-{name}"  # noqa: S108 - where Linux keeps shared memory


def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


class Child:
    """A Python process, that talks to the test line by line."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line that the child prints; an empty text when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def output(self, patience: float = PATIENCE) -> str:
        """All that the child prints until it ends, which it must do well."""
        printed, _ = self.process.communicate(timeout=patience)
        assert self.process.returncode == 0
        return printed

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """What `kill -9` does, and return when the process is no more."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self) -> int:
        """Wait for the child's own end and return its exit status."""
        return self.process.wait(PATIENCE)

    def sleeps(self) -> bool:
        """Whether the main thread is asleep in a futex: blocked, and not spinning or computing."""
        wait_channel = Path(f"/proc/{self.pid}/wchan")
        status = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return status == "S" and wait_channel.read_text() in FUTEX_WAITS


FUTEX_WAITS = {"futex_wait_queue", "futex_wait_queue_me", "futex_do_wait", "0", ""}
"""What kernels call that wait; some hide the names, and then the state alone must do."""


@contextmanager
def child(code: str, *arguments: str) -> Iterator[Child]:
    """Run `code` in a process of its own, and see to it that it does not outlive the test."""
    with child_of(["-c", code, *arguments], Path(__file__).parent) as started:
        yield started


@contextmanager
def child_of(arguments: Sequence[str], folder: Path) -> Iterator[Child]:
    """The same for what else Python can be given, in another folder."""
    started = Child(arguments, folder)
    try:
        yield started
    finally:
        started.kill()
        for stream in (started.process.stdin, started.process.stdout):
            assert stream is not None
            stream.close()


def waiting_threads() -> int:
    """How many native threads of this process wait on behalf of event loops."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except FileNotFoundError:
            continue
    return names.count("kren-wait")
