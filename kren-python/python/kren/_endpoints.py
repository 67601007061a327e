"""Writer and Reader: the native endpoints, with asyncio and clean exits added."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Self, TypeVar, final

from kren import _kren
from kren._aio import Line
from kren._errors import Closed, EndpointClosed
from kren._exit import prepare_exit
from kren._tables import TableReader, TableWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer

Strategy = Literal["adaptive", "spin", "sleep"]
"""How an endpoint waits: it spins briefly and then sleeps, only spins, or sleeps at once."""

Start = Literal["oldest", "newest"]
"""Where a reader starts: at the first message that was not released, or after what is there."""

PeerState = Literal["never_attached", "attached", "closed", "died"]
"""How the other side stands."""

_T = TypeVar("_T")


def _refuse_pickling(kind: str, name: str) -> NoReturn:
    raise TypeError(
        f"a kren.{kind} belongs to one process and cannot be pickled; "
        f"send the channel's name ({name!r}) and open it there"
    )


class End:
    """What all ends have in common beside their native halves: blocks, and no pickling."""

    # The slots are the classes': a native half is another base beside this one.
    __slots__ = ()

    # Kept here: an endpoint may be opened while Python ends and this module's variables are gone.
    _new_line = Line
    _prepare_exit = staticmethod(prepare_exit)

    if TYPE_CHECKING:

        @property
        def name(self) -> str: ...
        def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        _refuse_pickling(type(self).__name__, self.name)


class WriterFace(_kren.Writer, TableWriter, End):
    """What Writer, Publisher and Sender have in common beside the native half: asyncio."""

    __slots__ = ()

    async def awrite(self, data: "Buffer", timeout: float | None = None, *, tag: int = 0) -> None:
        """Write one message; as write(), for asyncio: it awaits room, and never blocks the loop.

        The data must stay as it is until this returns. Cancelled, it has written nothing. Tasks
        that wait at the same time write in the order in which they came.
        """

        def attempt() -> bool | None:
            return self.try_write(data, tag=tag) or None

        def arm(notifier: _kren.Notifier) -> None:
            self._arm(notifier, memoryview(data).nbytes)

        await self._line.take(attempt, arm, _kren.check_timeout(timeout), "room")

    async def aflush(self, timeout: float | None = None) -> None:
        """Wait until all is delivered; as flush(), for asyncio: it never blocks the event loop."""
        limit = _kren.check_timeout(timeout)
        await self._line.take(self._drained, self._arm_drained, limit, "end of delivery")

    drain = _kren.Writer.flush

    def close(self, *, discard: bool = False) -> None:
        super().close(discard=discard)
        self._line.close()

    close.__doc__ = _kren.Writer.close.__doc__


class ReadFace(End, Generic[_T]):
    """What all ends have in common from which something is read: asyncio."""

    __slots__ = ()

    _awaited = "message"

    if TYPE_CHECKING:
        _line: Line

        def _attempt(self) -> _T | None: ...
        def _arm(self, notifier: _kren.Notifier) -> float | None: ...
        def _select(self, selector: _kren.Selector, key: int) -> None: ...

    async def aread(self, timeout: float | None = None) -> _T:
        """Return what read() does, for asyncio: it never blocks the event loop.

        What is there already comes at once, without another thread. Cancelled or timed out, it has
        taken nothing. Tasks that wait at the same time read in the order in which they came.
        """
        limit = _kren.check_timeout(timeout)
        return await self._line.take(self._attempt, self._arm, limit, self._awaited)

    def __aiter__(self) -> AsyncIterator[_T]:
        return self

    async def __anext__(self) -> _T:
        try:
            return await self.aread()
        except EndpointClosed:
            raise
        except Closed:
            raise StopAsyncIteration from None


def lend(
    read: "Callable[[float | None], _kren.Lease]", timeout: float | None
) -> "Iterator[_kren.Lease]":
    """Iterate over what `read` returns, and release each as the next one is asked for."""
    while True:
        try:
            lease = read(timeout)
        except EndpointClosed:
            raise
        except Closed:
            return
        with lease:
            yield lease


class ReaderFace(_kren.Reader, TableReader, ReadFace[bytes]):
    """What a Reader and a Subscriber have in common beside the native half."""

    __slots__ = ()

    _attempt = _kren.Reader.try_read

    async def aread_tagged(self, timeout: float | None = None) -> tuple[int, bytes]:
        """Return (tag, message) of the next message; otherwise as aread()."""
        limit = _kren.check_timeout(timeout)
        return await self._line.take(self.try_read_tagged, self._arm, limit, "message")

    async def await_writer(self, timeout: float | None = None) -> None:
        """Wait for a live writer; as wait_for_writer(), for asyncio.

        Cancelled or timed out, it has changed nothing.
        """
        limit = _kren.check_timeout(timeout)
        await self._line.take(self._follow, self._arm_writer, limit, "live writer")

    def lend(self, timeout: float | None = None) -> "Iterator[_kren.Lease]":
        """Iterate over the messages where they lie, until the writer closes.

        Each step gives a lease, and releases the one before, unless something still looks at it:
        then it goes when that does, as with every lease. Each wait is no longer than timeout.

            for lease in reader.lend():
                handle(memoryview(lease))
        """
        return lend(self.borrow, timeout)

    def close(self) -> None:
        super().close()
        self._line.close()

    close.__doc__ = _kren.Reader.close.__doc__


@final
class Writer(WriterFace):
    """The writing end of a channel; it creates the channel, or takes over one that lost its writer.

    name: 1 to 128 of the characters a-z A-Z 0-9 . _ -
    capacity: size of the ring in bytes, rounded up to whole pages. The memory is reserved here.
    mode: permission bits of the shared memory; 0o600, the owner alone, unless given.
    alignment: what the addresses of messages are multiples of; 8 bytes unless given.
    fresh: discard what an earlier writer left instead of continuing after it.
    any_owner: accept a channel that another user made. Only for users you trust.
    strategy: how to wait: 'adaptive' spins briefly and then sleeps, 'spin' never sleeps, 'sleep'
        sleeps at once.
    prefault: touch all of the memory now, so that no later write pays for a page fault.
    machine_wide: on Windows, a channel of the whole machine instead of the user's session, for
        services and other sessions; both sides must say so, and making one takes a privilege that
        services and administrators have. On other systems channels always are.
    schema: what the messages are, for readers that say so too, and for tools: a text of yours; or
        (dtype, shape) of arrays, with None for a dimension of any size; or a pyarrow Schema.

    Messages outlive the writer: a reader may come later, also after this process has ended. One
    process writes and one reads, each from one thread at a time; a second gets WriterExists,
    ReaderExists or Busy. Use it in a `with` block, or call close(); an endpoint that is collected,
    or alive when the process ends, closes too.

    Raises WriterExists, InvalidName, InvalidCapacity, InvalidOption, CapacityMismatch,
    SchemaMismatch, PermissionDenied, OutOfMemory (no room in shared memory), Corrupt,
    VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line")

    def __init__(
        self,
        name: str,
        capacity: int,
        *,
        mode: int | None = None,
        alignment: int | None = None,
        fresh: bool = False,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
        prefault: bool = False,
        machine_wide: bool = False,
        schema: Any = None,
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()

    @property
    def reader_state(self) -> PeerState:
        """How the reader stands: 'never_attached', 'attached', 'closed' or 'died'."""
        return self._reader_state


@final
class Reader(ReaderFace):
    """The reading end of a channel.

    name: the channel's name, as its writer gave it.
    timeout: seconds to wait for the channel to exist; 0 does not wait, None waits for ever. This
        blocks; with asyncio use `await kren.connect(name)`.
    live: connect to a live writer only, and wait for one too: an old channel, whose writer has
        closed or died, is not enough.
    start: 'oldest' begins at the first message that was not released, whoever wrote it; 'newest'
        discards what is there at the call.
    any_owner: accept a channel that another user made. Only for users you trust.
    strategy: how to wait: 'adaptive' spins briefly and then sleeps, 'spin' never sleeps, 'sleep'
        sleeps at once.
    prefault: touch all of the memory now, so that no later read pays for a page fault.
    machine_wide: on Windows, a channel of the whole machine instead of the user's session, for
        services and other sessions; both sides must say so, and making one takes a privilege that
        services and administrators have. On other systems channels always are.
    schema: what the messages are taken for, as for Writer(); a channel whose creator says something
        else is refused with SchemaMismatch. One that says nothing is accepted.

    Iterating gives message after message and ends when the writer has closed the channel and all is
    read; it raises PeerDied when the writer's process died instead. `async for` does the same.

    One thread reads at a time; a second gets Busy. Use it in a `with` block, or call close(); an
    endpoint that is collected, or alive when the process ends, closes too.

    After Closed or PeerDied the reader goes on: wait_for_writer() waits for the next writer.

    Raises NotFound, TimedOut, ReaderExists, InvalidName, InvalidOption, SchemaMismatch,
    PermissionDenied, Corrupt, VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line")

    def __init__(
        self,
        name: str,
        *,
        timeout: float | None = 0,
        live: bool = False,
        start: Start = "oldest",
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
        prefault: bool = False,
        machine_wide: bool = False,
        schema: Any = None,
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()


for _kind in (Writer, Reader):
    _kind.__module__ = "kren"
