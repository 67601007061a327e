"""Awaiting an endpoint: who is next, and how the event loop hears of it.

A task first tries the plain non-blocking call. Only when that finds nothing does it queue up here;
the first in the queue arms the endpoint's notifier, a native thread that waits in the core and then
makes a file descriptor readable. Waking up takes nothing from the ring: the task takes its message
itself, when it runs. So a task that is cancelled, or times out, at any moment loses nothing.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from kren._errors import Busy, system_error, timed_out
from kren._kren import Notifier

_T = TypeVar("_T")

SLICE = 0.001
"""Seconds that ready messages may keep the event loop from turning."""


class Watch:
    """A notifier, and an event loop that hears of it."""

    def __init__(self, channel: str, ready: Callable[[], None]) -> None:
        self._channel = channel
        self._ready = ready
        self._watched: int | None = None
        self.notifier: Notifier | None = None

    def begin(
        self, loop: asyncio.AbstractEventLoop, arm: Callable[[Notifier], float | None]
    ) -> float | None:
        """Have `ready` called in the loop when what `arm` has the notifier wait for is there."""
        if self.notifier is None or not self.notifier.is_open():
            self.notifier = Notifier(self._channel)
        period = arm(self.notifier)
        if self._watched is not None:
            return period
        try:
            fd = self.notifier.fileno()
            loop.add_reader(fd, self._ready)
            self._watched = fd
        except OSError as error:
            what = "awaiting takes a place among what the event loop watches"
            raise system_error(self._channel, what, error) from error
        except NotImplementedError:
            # Windows' default loop watches no descriptors. A thread per wait is slower, and needs
            # nothing of the loop but call_soon_threadsafe.
            relay = threading.Thread(
                target=_relay, args=(loop, self.notifier, self._ready), daemon=True
            )
            try:
                relay.start()
            except RuntimeError as error:
                raise system_error(self._channel, "awaiting takes a thread", error) from error
        return period

    def end(self, loop: asyncio.AbstractEventLoop) -> None:
        # By the number that the loop knows, whatever it leads to by now.
        if self._watched is not None:
            loop.remove_reader(self._watched)
        self._watched = None

    def forget(self) -> None:
        """Let go of the notifier, also where the loop is gone."""
        self.notifier = None
        self._watched = None


class _Ticket:
    """A place in the queue."""

    __slots__ = ("expired", "wakeup")

    def __init__(self) -> None:
        self.expired = False
        self.wakeup: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self.wakeup is not None and not self.wakeup.done():
            self.wakeup.set_result(None)

    def expire(self) -> None:
        self.expired = True
        self.wake()

    async def sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wakeup = loop.create_future()
        await self.wakeup


class Line:
    """The tasks that wait for one endpoint, first come first served, on one loop at a time."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._queue: deque[_Ticket] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch = Watch(channel, self._ready)
        self._slice_end: float | None = None
        self._closed = False

    async def take(
        self,
        attempt: Callable[[], _T | None],
        arm: Callable[[Notifier], float | None],
        timeout: float | None,
        what: str,
    ) -> _T:
        """Return what `attempt` returns, as soon as it is this task's turn and that is not None.

        `arm` has the notifier wait until `attempt` is worth another try, which it is anyway after
        as many seconds as `arm` returns, if it does. `what` is what an error says did not come
        within `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        if self._slice_end is not None and loop.time() >= self._slice_end:
            # Before anything is taken: a task cancelled here has taken nothing.
            await asyncio.sleep(0)
            self._slice_end = None
        self._adopt(loop)
        if not self._queue:
            result = attempt()
            if result is not None:
                if self._slice_end is None:
                    self._slice_end = loop.time() + SLICE
                    loop.call_soon(self._loop_turned)
                return result
        return await self._wait(loop, attempt, arm, timeout, what)

    def close(self) -> None:
        """Wake the first task; it finds its endpoint closed, leaves, and so wakes the next."""
        self._closed = True
        loop = self._loop
        if loop is None:
            self._watch.forget()
            return
        try:
            loop.call_soon_threadsafe(self._ready)
        except RuntimeError:
            # The loop is closed, and its tasks with it.
            self._reset()

    async def _wait(
        self,
        loop: asyncio.AbstractEventLoop,
        attempt: Callable[[], _T | None],
        arm: Callable[[Notifier], float | None],
        timeout: float | None,
        what: str,
    ) -> _T:
        ticket = _Ticket()
        self._queue.append(ticket)
        self._loop = loop
        timer = None if timeout is None else loop.call_later(timeout, ticket.expire)
        beat = None
        try:
            while True:
                if self._queue[0] is ticket:
                    result = attempt()
                    if result is not None:
                        return result
                    if self._watch.notifier is not None:
                        self._watch.notifier.raise_failure()
                    if not ticket.expired:
                        period = self._watch.begin(loop, arm)
                        beat = period and loop.call_later(period, ticket.wake)
                if ticket.expired:
                    raise timed_out(self._channel, what, timeout or 0)
                await ticket.sleep(loop)
                if beat:
                    beat.cancel()
        finally:
            for handle in (timer, beat):
                if handle:
                    handle.cancel()
            self._leave(ticket)

    def _leave(self, ticket: _Ticket) -> None:
        if ticket not in self._queue:
            return  # The loop was closed under this task, and the queue given to another.
        was_first = self._queue[0] is ticket
        self._queue.remove(ticket)
        if was_first and self._watch.notifier is not None:
            self._watch.notifier.disarm()
        if not self._queue:
            if self._loop is not None:
                self._watch.end(self._loop)
            self._loop = None
            if self._closed:
                self._watch.forget()
        elif was_first:
            self._queue[0].wake()

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make sure that no other event loop is using this endpoint."""
        if self._loop is None or self._loop is loop:
            return
        if not self._loop.is_closed():
            raise Busy(
                f"channel '{self._channel}' is being awaited in another event loop; use one "
                "endpoint from one loop at a time",
                self._channel,
            )
        self._reset()

    def _reset(self) -> None:
        """Forget the tasks of a loop that is gone."""
        self._queue.clear()
        self._loop = None
        self._watch.forget()

    def _ready(self) -> None:
        if self._watch.notifier is not None:
            self._watch.notifier.silence()
        if self._queue:
            self._queue[0].wake()

    def _loop_turned(self) -> None:
        self._slice_end = None


def _relay(loop: asyncio.AbstractEventLoop, notifier: Notifier, ready: Callable[[], None]) -> None:
    notifier.wait()
    # A loop that was closed meanwhile has nobody to tell.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(ready)
