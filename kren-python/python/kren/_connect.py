"""Connecting without blocking the event loop."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack

from kren import _kren
from kren._broadcast import Subscriber
from kren._endpoints import Reader, Start, Strategy
from kren._errors import NotFound, TimedOut, WriterExists, system_error
from kren._service import Server

_End = TypeVar("_End", Reader, Subscriber, Server)


class _Access(TypedDict, total=False):
    live: bool
    any_owner: bool
    strategy: Strategy
    prefault: bool
    machine_wide: bool


class _Options(_Access, total=False):
    start: Start
    schema: Any


class _Subscription(_Access, total=False):
    start: Literal["newest", "oldest"] | int
    lossy: bool
    durable: bool | str


class _Serving(TypedDict, total=False):
    capacity: int
    clients: int
    mode: int | None
    any_owner: bool
    strategy: Strategy


async def connect(name: str, timeout: float | None = None, **options: Unpack[_Options]) -> Reader:
    """Connect to a channel, waiting for it to exist; as Reader(), for asyncio.

    name: the channel's name, as its writer gave it.
    timeout: seconds to wait for the channel; None waits for ever, 0 does not wait.
    options: live, start, any_owner, strategy, prefault, machine_wide and schema, as for Reader().

    Raises what Reader() raises. A channel that is there already is connected to at once; else a
    thread waits for it. Cancelled, it leaves nothing open, and ends within 100 ms.
    """
    limit = _kren.check_timeout(timeout)
    try:
        return Reader(name, **options)
    except (NotFound, TimedOut):
        if limit == 0:
            raise

    def search(stop: _kren.Stop) -> Reader:
        reader = Reader.__new__(Reader, name, timeout=limit, _stop=stop, **options)
        reader.__init__(name)
        return reader

    return await _Search(name, search).result()


async def subscribe(
    name: str, timeout: float | None = None, **options: Unpack[_Subscription]
) -> Subscriber:
    """Join a broadcast, waiting for it to exist; as Subscriber(), for asyncio.

    name: the broadcast's name, as its publisher gave it.
    timeout: seconds to wait for the broadcast; None waits for ever, 0 does not wait.
    options: start, lossy, durable, live, any_owner, strategy, prefault and machine_wide, as for
        Subscriber().

    Raises what Subscriber() raises; otherwise as connect().
    """
    limit = _kren.check_timeout(timeout)
    try:
        return Subscriber(name, **options)
    except (NotFound, TimedOut):
        if limit == 0:
            raise

    def search(stop: _kren.Stop) -> Subscriber:
        found = Subscriber.__new__(Subscriber, name, timeout=limit, _stop=stop, **options)
        found.__init__(name)
        return found

    return await _Search(name, search).result()


async def stand_by(name: str, timeout: float | None = None, **options: Unpack[_Serving]) -> Server:
    """Serve a name once no other server does; as Server(name, standby=timeout), for asyncio.

    name: the service's name.
    timeout: seconds to wait for the end of the server that is there; None waits for ever.
    options: capacity, clients, mode, any_owner and strategy, as for Server().

    Raises what Server() raises; otherwise as connect().
    """
    limit = _kren.check_timeout(timeout)
    try:
        return Server(name, **options)
    except WriterExists:
        if limit == 0:
            raise
    standby = True if limit is None else limit

    def search(stop: _kren.Stop) -> Server:
        server = Server.__new__(Server, name, standby=standby, _stop=stop, **options)
        server.__init__(name)
        return server

    return await _Search(name, search).result()


class _Search(Generic[_End]):
    """A thread that connects."""

    def __init__(self, name: str, connect: Callable[[_kren.Stop], _End]) -> None:
        self._name = name
        self._connect: Callable[[_kren.Stop], _End] = connect
        self._stop = _kren.Stop()
        self._loop = asyncio.get_running_loop()
        self._found: asyncio.Future[_End] = self._loop.create_future()

    async def result(self) -> _End:
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
            end = self._connect(self._stop)
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            self._tell(partial(self._found.set_exception, error))
        else:
            self._tell(partial(self._found.set_result, end), end)

    def _tell(self, settle: Callable[[], None], end: _End | None = None) -> None:
        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            # The loop is closed, and its tasks with it.
            if end is not None:
                end.close()


def _put_back(found: asyncio.Future[_End]) -> None:
    """Close what nobody waits for any more."""
    if found.exception() is None:
        found.result().close()
