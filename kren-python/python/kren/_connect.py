"""Connecting without blocking the event loop."""

import asyncio
import threading
from typing import TypedDict, Unpack

from kren import _kren
from kren._endpoints import Reader, Start, Strategy
from kren._errors import NotFound, TimedOut, system_error


class _Options(TypedDict, total=False):
    live: bool
    start: Start
    any_owner: bool
    strategy: Strategy
    prefault: bool
    machine_wide: bool


async def connect(name: str, timeout: float | None = None, **options: Unpack[_Options]) -> Reader:
    """Connect to a channel, waiting for it to exist; as Reader(), for asyncio.

    name: the channel's name, as its writer gave it.
    timeout: seconds to wait for the channel; None waits for ever, 0 does not wait.
    options: live, start, any_owner, strategy, prefault and machine_wide, as for Reader().

    Raises what Reader() raises. A channel that is there already is connected to at once; else a
    thread waits for it. Cancelled, it leaves nothing open, and ends within 100 ms.
    """
    limit = _kren.check_timeout(timeout)
    try:
        return Reader(name, **options)
    except (NotFound, TimedOut):
        if limit == 0:
            raise
    return await _Search(asyncio.get_running_loop(), name, limit, options).result()


class _Search:
    """A thread that connects."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        timeout: float | None,
        options: _Options,
    ) -> None:
        self._loop = loop
        self._name = name
        self._timeout = timeout
        self._options = options
        self._stop = _kren.Stop()
        self._found: asyncio.Future[Reader] = loop.create_future()

    async def result(self) -> Reader:
        try:
            threading.Thread(target=self._run, name="kren-connect", daemon=True).start()
        except RuntimeError as error:
            raise system_error(self._name, "waiting for it takes a thread", error) from error
        try:
            return await asyncio.shield(self._found)
        except asyncio.CancelledError:
            self._stop.set()
            self._found.add_done_callback(_put_back)
            # Until the thread has let go of the channel, so that it is in nobody's way.
            await asyncio.wait((self._found,))
            raise

    def _run(self) -> None:
        try:
            reader = Reader.__new__(
                Reader, self._name, timeout=self._timeout, _stop=self._stop, **self._options
            )
            reader.__init__(self._name)
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            self._tell(error)
        else:
            self._tell(reader)

    def _tell(self, outcome: Reader | Exception) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, outcome)
        except RuntimeError:
            # The loop is closed, and its tasks with it.
            if isinstance(outcome, Reader):
                outcome.close()

    def _settle(self, outcome: Reader | Exception) -> None:
        if isinstance(outcome, Reader):
            self._found.set_result(outcome)
        else:
            self._found.set_exception(outcome)


def _put_back(found: asyncio.Future[Reader]) -> None:
    """Close what nobody waits for any more."""
    if found.exception() is None:
        found.result().close()
