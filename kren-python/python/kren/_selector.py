"""Waiting for many endpoints, and for timers, in one call."""

import selectors
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self, final

from kren import _kren
from kren._endpoints import ReadFace, WriterFace
from kren._service import Client

EVENT_READ = selectors.EVENT_READ
EVENT_WRITE = selectors.EVENT_WRITE

Selectable = ReadFace[Any] | WriterFace | Client
"""What a selector can wait for."""


class SelectorKey(NamedTuple):
    """What was registered: the endpoint, or None for a timer; the events; and the user's data."""

    endpoint: Selectable | None
    events: int
    data: Any
    number: int


@final
class Selector:
    """Waits for any number of endpoints and timers at once, in the manner of Python's `selectors`.

    Registered are a Reader, Subscriber, Inbox, Worker, Server or Client, for messages, requests or
    answers (EVENT_READ), or a Writer, Publisher or Sender, for room (EVENT_WRITE). An inbox is
    ready as well when a sender has come or gone, and a worker when others may have left something:
    try_read() may then return None. What a client waits for changes with its calls: register it
    anew for each wait.
    `select` tells what is ready until it is no longer so, in another order each time. An endpoint
    is ready too when its other side has closed or died, or when it was closed itself: the call that
    follows says which.

    It uses no processor time while nothing happens, and a wake-up costs the same with one
    endpoint as with a thousand. An endpoint can be in one selector at a time, and cannot be awaited
    meanwhile; its own calls that wait have precedence. Use a selector from one thread at a time.
    """

    __slots__ = ("_core", "_keys", "_next", "_numbers", "_once")

    def __init__(self) -> None:
        """Make a selector with nothing in it.

        Raises OutOfMemory, PermissionDenied or Io.
        """
        self._core = _kren.Selector()
        self._keys: dict[int, SelectorKey] = {}
        self._numbers: dict[Selectable, int] = {}
        self._next = 0
        self._once: set[int] = set()

    def register(
        self,
        endpoint: Selectable,
        events: int,
        data: object = None,
        *,
        length: int = 1,
    ) -> SelectorKey:
        """Wait for this endpoint as well from now on, and return its key.

        length: of a Writer, the bytes of the message that there is to be room for.

        Raises ValueError for events that the endpoint has not, KeyError if it is registered
        already, Busy if it is in another selector or awaited, TooLarge.
        """
        wanted = EVENT_READ if isinstance(endpoint, (ReadFace, Client)) else EVENT_WRITE
        if events != wanted:
            name = "EVENT_READ" if wanted == EVENT_READ else "EVENT_WRITE"
            raise ValueError(f"a {type(endpoint).__name__} can be registered for {name} alone")
        if endpoint in self._numbers:
            raise KeyError(f"{endpoint!r} is already registered")
        number = self._take_number()
        if isinstance(endpoint, (ReadFace, Client)):
            endpoint._select(self._core, number)
        else:
            endpoint._select(self._core, number, length)
        self._numbers[endpoint] = number
        return self._keep(SelectorKey(endpoint, events, data, number))

    def register_timer(
        self, seconds: float, data: object = None, *, period: float | None = None
    ) -> SelectorKey:
        """Have `select` return once `seconds` have passed, and then after each `period`, if given.

        Returns the key, which `unregister` takes. Without a period it goes by itself.
        """
        number = self._take_number()
        self._core.add_timer(number, seconds, period)
        if period is None:
            self._once.add(number)
        return self._keep(SelectorKey(None, 0, data, number))

    def unregister(self, what: Selectable | SelectorKey) -> SelectorKey:
        """Take an endpoint, or what a key stands for, out, and return its key.

        Raises KeyError if it is not registered.
        """
        number = what.number if isinstance(what, SelectorKey) else self._numbers[what]
        key = self._keys.pop(number)
        if key.endpoint is not None:
            del self._numbers[key.endpoint]
        self._once.discard(number)
        self._core.remove(number)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Return all that is ready, waiting until something is, `timeout` seconds at most.

        The second of each pair are its events, 0 for a timer. Ctrl-C ends the wait.

        Raises Interrupted after `cancel`.
        """
        ready = []
        for number in self._core.wait(timeout):
            key = self._keys[number]
            ready.append((key, key.events))
            if number in self._once:
                self._once.remove(number)
                del self._keys[number]
        return ready

    def cancel(self) -> None:
        """End the `select` under way, or else the next one, with Interrupted. From any thread."""
        self._core.cancel()

    def get_key(self, endpoint: Selectable) -> SelectorKey:
        """Return the key of a registered endpoint; raises KeyError."""
        return self._keys[self._numbers[endpoint]]

    def get_map(self) -> Mapping[int, SelectorKey]:
        """Return all keys by their numbers."""
        return MappingProxyType(self._keys)

    def close(self) -> None:
        """Take everything out. The endpoints stay open."""
        self._core.close()
        self._keys.clear()
        self._numbers.clear()
        self._once.clear()

    def __len__(self) -> int:
        return len(self._keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take_number(self) -> int:
        self._next += 1
        return self._next

    def _keep(self, key: SelectorKey) -> SelectorKey:
        self._keys[key.number] = key
        return key
