"""What tests get: a channel of their own, which must be gone at the end.

Most tests look into /dev/shm and /proc, or start processes by fork, and so run on Linux alone.
"""

import gc
import itertools
import os
import signal
import sys
from collections.abc import Iterator

import kren
import pytest

from support import segment_of

_numbers = itertools.count()

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every
# child that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

if sys.platform != "linux":
    collect_ignore_glob = ["test_[!e]*.py", "test_errors.py"]


def pytest_collection_finish() -> None:
    # Every test collects at its end what it has left: that looks only at what has come since.
    gc.collect()
    gc.freeze()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for an inbox, a queue or a service, of which nothing may be left at the end."""
    name = f"pytest-{os.getpid()}-{next(_numbers)}"
    yield name
    gc.collect()
    segments = segment_of(name).parent.glob(f"kren-{name}*")
    if segment_of(name).exists() and "service" in os.fspath(request.path):
        # What a server that was killed has left is its successor's.
        with kren.Server(name) as server:
            while server.try_read() is not None:
                pass
    assert not [segment.name for segment in segments]


@pytest.fixture
def channel() -> Iterator[str]:
    """A channel name that nobody else uses; whatever the test leaves unread is read at the end."""
    name = f"pytest-{os.getpid()}-{next(_numbers)}"
    yield name
    gc.collect()
    if segment_of(name).exists():
        with kren.Reader(name) as reader:
            while reader.try_read() is not None:
                pass
    assert not segment_of(name).exists(), "a channel that is drained and closed leaves nothing"
