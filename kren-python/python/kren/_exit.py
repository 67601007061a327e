"""Closes what is still open when the process ends, so that the other side sees a clean close.

An endpoint that nothing refers to any more closes itself. At exit, though, Python does not
collect everything (reference cycles, globals of modules, other threads' locals), and the
children of multiprocessing skip atexit altogether.
"""

import atexit
import contextlib
import os
import sys
from typing import Protocol
from weakref import WeakSet


class _Closable(Protocol):
    def close(self) -> None: ...


_open: WeakSet[_Closable] = WeakSet()
_finalized_pid = 0


def track(endpoint: _Closable) -> None:
    """Have `endpoint` closed when this process ends."""
    _open.add(endpoint)
    _join_multiprocessing()


def close_all() -> None:
    """Close every endpoint that is still open; one that fails does not stop the others."""
    for endpoint in list(_open):
        # At exit there is nobody left to tell.
        with contextlib.suppress(Exception):
            endpoint.close()


def _join_multiprocessing() -> None:
    """Ask multiprocessing, where it is in use, to call close_all: its children run no atexit.

    Once per process: a forked child starts without its parent's finalizers.
    """
    global _finalized_pid  # noqa: PLW0603
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _finalized_pid != os.getpid():
        _finalized_pid = os.getpid()
        # A priority makes it run at exit at all; a low one, after queues and pools.
        util.Finalize(None, close_all, exitpriority=-1000)


atexit.register(close_all)
