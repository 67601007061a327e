"""Publisher and Subscriber: the ends of a broadcast, with asyncio and clean exits added."""

from typing import Literal, final

from kren import _kren
from kren._endpoints import ReaderFace, Strategy, WriterFace


@final
class Publisher(_kren.Publisher, WriterFace):
    """The writing end of a broadcast: each message is written once, and every subscriber reads it.

    name: 1 to 128 of the characters a-z A-Z 0-9 . _ -
    capacity: size of the ring in bytes, rounded up to whole pages. The memory is reserved here.
    subscribers: how many there may be at a time, 1 to 64. Each takes a page of memory.
    evict_after: seconds that a message waits for room before the lossless subscribers in its way
        are passed over, who then get Evicted; None waits for them for ever. Durable ones are
        waited for anyway. Subscribers of such a broadcast get copies, never views of the ring.
    mode, alignment, fresh, any_owner, strategy, prefault, machine_wide: as for Writer().

    It has the face of a Writer, and there is one per broadcast. Without subscribers it never
    waits, and what it writes is gone with the next lap of the ring: call wait_for_subscribers()
    where the first messages count. Otherwise it waits for the slowest lossless subscriber; one that
    has died is passed over within 200 ms.

    Raises what Writer() raises, and WrongKind when a channel of that name exists.
    """

    __slots__ = ("__weakref__", "_line")

    def __init__(
        self,
        name: str,
        capacity: int,
        *,
        subscribers: int = 16,
        evict_after: float | None = None,
        mode: int | None = None,
        alignment: int | None = None,
        fresh: bool = False,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
        prefault: bool = False,
        machine_wide: bool = False,
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()

    async def await_subscribers(self, count: int, timeout: float | None = None) -> None:
        """Wait for `count` subscribers; as wait_for_subscribers(), for asyncio."""

        def attempt() -> bool | None:
            return self._subscribed(count)

        def arm(notifier: _kren.Notifier) -> None:
            self._arm_subscribed(notifier, count)

        await self._line.take(attempt, arm, _kren.check_timeout(timeout), "subscriber")


@final
class Subscriber(_kren.Subscriber, ReaderFace):
    """A reading end of a broadcast, one of many.

    name: the broadcast's name, as its publisher gave it.
    start: 'newest' begins behind everything that was published before; 'oldest' at the oldest
        message that the ring still holds, to within a 32nd of its length; a number behind so many
        messages, as `position` says it. What is gone by then is told by the first read, as Lagged.
    lossy: never hold the publisher up. When it is too slow it misses messages, and gets Lagged,
        whose `missed` says how many. Every message is then a copy.
    durable: keep the place when this end closes or its process dies: the publisher waits, and the
        next subscriber goes on there. A name tells several durable subscribers apart.
    timeout: seconds to wait for the broadcast to exist; 0 does not wait, None waits for ever. This
        blocks; with asyncio use `await kren.subscribe(name)`.
    live: join a broadcast with a live publisher only, and wait for one too.
    any_owner, strategy, prefault, machine_wide: as for Reader().

    It has the face of a Reader; the writer that wait_for_writer(), writer_state and writer_closed
    speak of is the publisher. Unless it is lossy, the publisher waits for it: it misses nothing
    after it has joined, except that it may be evicted (see Publisher) and then gets Evicted.
    After Lagged and Evicted the next call goes on behind what was missed.

    Closing gives the seat back, and keeps a durable subscriber's place: unsubscribe() gives that up
    as well.

    Raises NotFound, TimedOut, NoSeat, WrongKind when it is a channel, ReaderExists while a durable
    subscriber of the same name lives, InvalidName, InvalidOption, PermissionDenied, Corrupt,
    VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line")

    def __init__(
        self,
        name: str,
        *,
        start: Literal["newest", "oldest"] | int = "newest",
        lossy: bool = False,
        durable: bool | str = False,
        timeout: float | None = 0,
        live: bool = False,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
        prefault: bool = False,
        machine_wide: bool = False,
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()

    def unsubscribe(self) -> None:
        super().unsubscribe()
        self._line.close()

    unsubscribe.__doc__ = _kren.Subscriber.unsubscribe.__doc__


for _kind in (Publisher, Subscriber):
    _kind.__module__ = "kren"
