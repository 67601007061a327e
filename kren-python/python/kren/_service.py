"""Server and Client: requests and their answers; with asyncio, methods and clean exits added."""

import asyncio
from typing import TYPE_CHECKING, final

from kren import _kren
from kren._aio import Watch
from kren._endpoints import End, ReadFace, Strategy
from kren._errors import Busy, Remote
from kren._inbox import Message
from kren._methods import Methods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Buffer

_BEAT = 0.1
"""Seconds between two looks at calls that nobody rings for: the server may have died."""


@final
class Server(Methods, ReadFace[_kren.Request], _kren.Server):
    """The answering end of a service: it gets the requests of any number of clients.

    name: 1 to 128 of the characters a-z A-Z 0-9 . _ -
    capacity: size in bytes of the ring for the requests, and of that for the answers, of each
        client.
    clients: how many there may be at a time, 1 to 1024. Each takes a page of memory.
    standby: wait here while another server of this name lives, so many seconds at most, or for ever
        with True, and take over when it has closed or died. This blocks; with asyncio use
        `await kren.stand_by(name)`.
    mode, any_owner, strategy: as for Writer().

    Take requests by read(), or by iterating, and answer each when and in what order you like; or
    name functions with @server.method and call serve() or aserve(). Requests of one client come in
    their order, those of several are taken in turn. A client that does not read its answers
    holds up nobody else's. What a server that died had not answered goes to its successor where
    the client allows it (retry=True), and fails otherwise.

    Raises WriterExists while another server of this name lives, TimedOut for one that stood by,
    WrongKind, InvalidName, InvalidCapacity, InvalidOption, PermissionDenied, OutOfMemory, Corrupt,
    VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_handlers", "_line")

    _awaited = "request"
    _attempt = _kren.Server.try_read

    def __init__(
        self,
        name: str,
        *,
        capacity: int = 1 << 20,
        clients: int = 64,
        standby: bool | float = False,
        mode: int | None = None,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
    ) -> None:
        self._line = self._new_line(name)
        self._handlers = {}
        self._prepare_exit()

    def close(self) -> None:
        super().close()
        self._line.close()

    close.__doc__ = _kren.Server.close.__doc__


@final
class Client(End, _kren.Client):
    """One of the calling ends of a service, of which there may be many.

    name: the service's name.
    capacity: size in bytes of the ring for requests under way, where no server has said it.
    clients: how many the service may have at a time, 1 to 1024, if this one comes first.
    mode, any_owner, strategy: as for Writer().

    A call that cannot be answered ends: with NoServer at once where there is none, and the request
    was not sent; with ServerDied within 200 ms where it died meanwhile, and may have done part of
    it; with TimedOut; and with Remote where the server says that it failed. A client may be opened
    before its server. One thread calls at a time; a second gets Busy.

    Raises NoSeat while all seats are taken, WrongKind, InvalidName, InvalidOption,
    PermissionDenied, OutOfMemory, Corrupt, VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line", "_pump")

    def __init__(
        self,
        name: str,
        *,
        capacity: int = 1 << 20,
        clients: int = 64,
        mode: int | None = None,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
    ) -> None:
        self._line = self._new_line(name)
        self._pump = _Pump(self)
        self._prepare_exit()

    def call(
        self,
        request: "Buffer" = b"",
        timeout: float | None = None,
        *,
        method: str = "",
        tag: int = 0,
        retry: bool = False,
    ) -> Message:
        """Send a request and return its answer, a `bytes` with a `tag`.

        request: any C-contiguous buffer; it is copied once, straight into the ring.
        timeout: seconds to wait for the answer, room for the request included; None waits for ever.
        method: what is called, for a server that tells several methods apart.
        tag: a number of your own, 0 to 4294967295, that the server finds on the request.
        retry: a server that succeeds one that died may do the request again.

        Other threads run while this one waits, and signal handlers run: Ctrl-C gives the call up.

        Raises NoServer, ServerDied, TimedOut, Remote, and TooLarge.
        """
        return self.start(request, timeout, method=method, tag=tag, retry=retry).result()

    def stream(
        self,
        request: "Buffer" = b"",
        timeout: float | None = None,
        *,
        method: str = "",
        tag: int = 0,
        retry: bool = False,
    ) -> "Iterator[Message]":
        """Send a request and iterate over its answers, of which there may be any number.

        The arguments are those of call(); timeout is for all answers together. The request is sent
        now. Leaving the loop early gives the call up, of which the server is told.

        Raises what call() does.
        """
        return iter(self.start(request, timeout, method=method, tag=tag, retry=retry))

    def start(
        self,
        request: "Buffer" = b"",
        timeout: float | None = None,
        *,
        method: str = "",
        tag: int = 0,
        retry: bool = False,
    ) -> "Call":
        """Send a request without waiting for its answer, which the Call gets.

        The arguments are those of call(). Any number of calls may be under way, and are answered in
        any order.

        Raises NoServer, TooLarge, and TimedOut where there is no room for the request.
        """
        return Call(self, self._start(request, timeout, tag, retry, method))

    async def acall(
        self,
        request: "Buffer" = b"",
        timeout: float | None = None,
        *,
        method: str = "",
        tag: int = 0,
        retry: bool = False,
    ) -> Message:
        """Send a request and return its answer; as call(), for asyncio.

        Any number of tasks may call at a time, and are answered in any order. Cancelled, it gives
        the call up, of which the server is told.
        """
        number = await self._astart(request, timeout, method, tag, retry)
        try:
            answer = await self._pump.next(number, timeout)
        finally:
            self._give_up(number)
        if answer is None:
            raise _no_answer(self.name)
        return answer

    async def astream(
        self,
        request: "Buffer" = b"",
        timeout: float | None = None,
        *,
        method: str = "",
        tag: int = 0,
        retry: bool = False,
    ) -> "AsyncIterator[Message]":
        """Send a request and iterate over its answers; as stream(), for asyncio.

        The request is sent with the first step.
        """
        number = await self._astart(request, timeout, method, tag, retry)
        try:
            while (answer := await self._pump.next(number, timeout)) is not None:
                yield answer
        finally:
            self._give_up(number)

    def _give_up(self, number: int) -> None:
        # Without effect on a call that is over. A closed client has given up all.
        if not self.closed:
            self._cancel(number)

    async def _astart(
        self, request: "Buffer", timeout: float | None, method: str, tag: int, retry: bool
    ) -> int:
        def attempt() -> int | None:
            return self._try_start(request, timeout, tag, retry, method)

        def arm(notifier: _kren.Notifier) -> None:
            self._arm_room(notifier, memoryview(request).nbytes, method)

        return await self._line.take(attempt, arm, _kren.check_timeout(timeout), "room")

    def close(self) -> None:
        super().close()
        self._line.close()
        self._pump.close()

    close.__doc__ = _kren.Client.close.__doc__


@final
class Call:
    """A call that is under way: what Client.start() returns."""

    __slots__ = ("_client", "_number")

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self._number = number

    def result(self) -> Message:
        """Wait for the answer, as long as the call's timeout allows, and return it.

        Of several answers it is the first; the server is told that no more are wanted. Raises what
        Client.call() does, and Cancelled when the call is over.
        """
        try:
            answer = self._client._next(self._number)
        finally:
            self.cancel()
        if answer is None:
            raise _no_answer(self._client.name)
        return answer

    def poll(self) -> tuple[bool, Message | None]:
        """Return whether an answer is there, and it; never waits.

        (False, None) says that there is none yet, (True, None) that there are no more. Raises what
        Client.call() does.
        """
        return self._client._poll(self._number)

    def cancel(self) -> None:
        """Give the call up; the server is told. Without effect when the call is over."""
        self._client._give_up(self._number)

    def __iter__(self) -> "Iterator[Message]":
        try:
            while (answer := self._client._next(self._number)) is not None:
                yield answer
        finally:
            self.cancel()

    @property
    def number(self) -> int:
        """The number of the call: another for each of one client."""
        return self._number


class _Pump:
    """Hands the answers that come to the tasks that wait for them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._watch = Watch(client.name, self._ready)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beat: asyncio.TimerHandle | None = None

    async def next(self, number: int, timeout: float | None) -> Message | None:
        """Return the next answer to a call; None when there are no more."""
        loop = asyncio.get_running_loop()
        self._adopt(loop)
        timer = None
        try:
            while True:
                is_there, answer = self._client._poll(number)
                if is_there:
                    return answer
                self._waiting[number] = loop.create_future()
                if timer is None and timeout is not None:
                    timer = loop.call_later(timeout, self._wake, number)
                self._begin(loop)
                # What came for others before, and was taken in with the question, rings for nobody.
                self._hand_out()
                await self._waiting[number]
        finally:
            if timer is not None:
                timer.cancel()
            self._waiting.pop(number, None)
            if not self._waiting:
                self._end(loop)

    def close(self) -> None:
        """Wake all, who find their client closed."""
        loop = self._loop
        if loop is None:
            self._watch.forget()
            return
        try:
            loop.call_soon_threadsafe(self._wake_all)
        except RuntimeError:
            # The loop is closed, and its tasks with it.
            self._watch.forget()

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None and self._loop is not loop:
            if not self._loop.is_closed():
                raise Busy(
                    f"service '{self._client.name}' is being called in another event loop; use one "
                    "client from one loop at a time",
                    self._client.name,
                )
            self._waiting.clear()
            self._watch.forget()
            self._beat = None
        self._loop = loop

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch.begin(loop, self._client._arm)
        if self._beat is None:
            self._beat = loop.call_later(_BEAT, self._look)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watch.notifier is not None:
            self._watch.notifier.disarm()
        self._watch.end(loop)
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self._loop = None
        if self._client.closed:
            self._watch.forget()

    def _ready(self) -> None:
        if self._watch.notifier is not None:
            self._watch.notifier.silence()
        if not self._hand_out():
            # Something else has happened, which each call is to be asked about.
            self._wake_all()
        elif self._waiting and self._loop is not None:
            self._watch.begin(self._loop, self._client._arm)

    def _look(self) -> None:
        """Look at what nobody rings for."""
        self._beat = None
        self._hand_out()
        self._wake_all()
        if self._waiting and self._loop is not None:
            self._begin(self._loop)

    def _hand_out(self) -> bool:
        """Wake those for whom there is something; tell whether there are such."""
        if self._client.closed:
            return False
        try:
            arrived = self._client._arrived()
        except Exception:  # noqa: BLE001 - each call raises it as it looks
            return False
        for number in arrived:
            self._wake(number)
        return bool(arrived)

    def _wake(self, number: int) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _wake_all(self) -> None:
        for number in self._waiting:
            self._wake(number)


def _no_answer(service: str) -> Remote:
    return Remote(f"service '{service}': the server gave no answer", service)


for _kind in (Server, Client, Call):
    _kind.__module__ = "kren"
