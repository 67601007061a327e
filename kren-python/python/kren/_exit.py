"""Closes what is still open when a child of multiprocessing ends.

In every other process the native half does it, as the last thing that Python does. Such children
leave through os._exit and never come there, so multiprocessing is asked to.
"""

import os
import sys
from types import ModuleType

from kren import _kren

_asked_pid = 0


def prepare_exit(_modules: dict[str, ModuleType] = sys.modules) -> None:
    """Ask multiprocessing, where it is in use, to close what is open at the end of its children.

    Also called while Python ends and this module's variables are gone: there are no modules then.
    """
    util = _modules.get("multiprocessing.util")
    if util is not None:
        _ask(util)


def _ask(util: ModuleType) -> None:
    """Once per process: a forked child starts without its parent's finalizers."""
    global _asked_pid  # noqa: PLW0603
    if _asked_pid != os.getpid():
        _asked_pid = os.getpid()
        # A priority makes it run at exit at all; a low one, after queues and pools.
        util.Finalize(None, _close_all, exitpriority=-1000)


def _close_all() -> None:
    # Processes that multiprocessing did not start run it too, as an exit handler: too early.
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        _kren.close_all()
