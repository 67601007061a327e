"""Dealer and Worker: each message goes to one of many; with asyncio and clean exits added."""

from typing import TYPE_CHECKING, final

from kren import _kren
from kren._endpoints import End, ReadFace, Strategy, lend
from kren._errors import Closed, EndpointClosed
from kren._tables import TableDealer, TableReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Buffer

_PAUSE = 0.02
"""Seconds between two looks at what workers that are gone have left, which nobody tells of."""


@final
class Dealer(TableDealer, End, _kren.Dealer):
    """The writing end of a work queue: each message goes to one of the workers.

    name: 1 to 128 of the characters a-z A-Z 0-9 . _ -
    capacity: size in bytes of the ring that each worker gets.
    workers: how many there may be at a time, 1 to 1024, unless a worker came first. Each takes a
        page of memory.
    alignment, mode, any_owner, strategy: as for Writer().

    A message goes to the worker with the fewest messages waiting, or to the one that has had the
    same key before. Nothing that was written is lost by the death of a worker, nor by that of the
    dealer: what a dead worker had not released goes to another one, marked. There is one dealer
    per name; the next one goes on with the workers that are there.

    Raises WriterExists while another dealer of this name lives, WrongKind, InvalidName,
    InvalidCapacity, InvalidOption, PermissionDenied, OutOfMemory, Corrupt, VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line")

    def __init__(
        self,
        name: str,
        capacity: int,
        *,
        workers: int = 64,
        alignment: int | None = None,
        mode: int | None = None,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()

    async def awrite(
        self,
        data: "Buffer",
        timeout: float | None = None,
        *,
        tag: int = 0,
        key: str | bytes | None = None,
    ) -> None:
        """Give one message to a worker; as write(), for asyncio: it never blocks the event loop.

        The data must stay as it is until this returns. Cancelled, it has written nothing. Tasks
        that wait at the same time write in the order in which they came.
        """

        def attempt() -> bool | None:
            return self.try_write(data, tag=tag, key=key) or None

        what = "worker with room"
        await self._line.take(attempt, self._arm, _kren.check_timeout(timeout), what)

    async def aflush(self, timeout: float | None = None) -> None:
        """Wait until the workers have released everything; as flush(), for asyncio."""

        def arm(notifier: _kren.Notifier) -> float:
            self._arm(notifier)
            return _PAUSE

        limit = _kren.check_timeout(timeout)
        await self._line.take(self._drained, arm, limit, "end of delivery")

    drain = _kren.Dealer.flush

    def close(self) -> None:
        super().close()
        self._line.close()

    close.__doc__ = _kren.Dealer.close.__doc__


@final
class Worker(TableReader, ReadFace[_kren.Lease], _kren.Worker):
    """One of the reading ends of a work queue: each message goes to one worker.

    name: the queue's name.
    ahead: how many messages the dealer gives to this worker before it has released any: 1 where
        each takes long, so that none waits for it while others are free; 0 for as many as its ring
        holds.
    workers: how many there may be at a time, 1 to 1024, if this one comes first.
    mode, any_owner, strategy: as for Writer().

    What it reads are leases, pieces of work: release one when its work is done, or use it in a
    `with` block. What a worker had not released when it died goes to another one, at least once,
    and says so: `lease.redelivered`. A lease that is collected was released, so a worker that
    cannot do its work had better end its process than catch the error and go on.

    Iterating releases each piece of work as the next one is asked for, ends when the dealer has
    closed and nothing is left, and raises PeerDied when the dealer's process died instead: iterate
    again to wait for another dealer. `async for` does the same. A worker may come before the
    dealer.

    Raises NoSeat while all seats are taken, WrongKind, InvalidName, InvalidOption,
    PermissionDenied, OutOfMemory, Corrupt, VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line")

    _awaited = "work"

    def __init__(
        self,
        name: str,
        *,
        ahead: int = 0,
        workers: int = 64,
        mode: int | None = None,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()

    def __iter__(self) -> "Iterator[_kren.Lease]":
        return lend(self.read, None)

    async def __aiter__(self) -> "AsyncIterator[_kren.Lease]":
        while True:
            try:
                work = await self.aread()
            except EndpointClosed:
                raise
            except Closed:
                return
            with work:
                yield work

    def close(self) -> None:
        super().close()
        self._line.close()

    close.__doc__ = _kren.Worker.close.__doc__


for _kind in (Dealer, Worker):
    _kind.__module__ = "kren"
