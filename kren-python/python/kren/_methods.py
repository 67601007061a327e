"""Requests handed to functions, by the names of the methods that clients call."""

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, overload

from kren._errors import Cancelled, EndpointClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kren import _kren

    _Handler = Callable[["_kren.Request"], Any]

_UNKNOWN = 2**32 - 2
_RAISED = 2**32 - 3
"""Codes of failures, from docs/spec/registry.md."""

_log = logging.getLogger("kren")


class Methods:
    """What a Server can do with functions."""

    __slots__ = ()

    if TYPE_CHECKING:
        _handlers: dict[str, "_Handler"]

        @property
        def name(self) -> str: ...
        def read(self, timeout: float | None = None) -> "_kren.Request": ...
        async def aread(self, timeout: float | None = None) -> "_kren.Request": ...

    @overload
    def method(self, name: "_Handler", /) -> "_Handler": ...
    @overload
    def method(self, name: str, /) -> "Callable[[_Handler], _Handler]": ...
    def method(self, name: "_Handler | str", /) -> Any:
        """Have a function answer the calls of a method; a decorator.

            @server.method
            def double(request):
                return bytes(request) * 2

            @server.method("")
            def otherwise(request):  # calls that name no method
                request.fail(1, "name a method")

        The function gets the Request, and returns the answer: a bytes-like object, or None for an
        empty one. A generator gives several answers, one with each yield. It may also answer by
        itself, with the methods of the request. `async` functions and generators are for aserve().

        A function that raises an exception fails the call, and the exception is logged. A second
        function of the same name replaces the first.
        """
        if isinstance(name, str):
            return lambda function: self._add(name, function)
        return self._add(name.__name__, name)

    def serve(self) -> None:
        """Answer requests by the functions named with @server.method, one after the other.

        It returns when the server is closed, by one of them or by another thread, and raises what
        they raise beyond Exception, as Ctrl-C does.

        Raises TypeError where one of the functions is `async`.
        """
        for name, handler in self._handlers.items():
            if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
                raise TypeError(f"method {name!r} is async; use `await server.aserve()`")
        try:
            while True:
                self._answer(self.read())
        except EndpointClosed:
            return

    async def aserve(self) -> None:
        """Answer requests by the functions named with @server.method, under asyncio.

        Those that are `async` run at the same time, each as a task; the others one after the other,
        and keep the loop waiting. It returns when the server is closed. Cancelled, it cancels the
        tasks, and their calls fail.
        """
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                request = await self.aread()
                handler = self._handlers.get(request.method)
                if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
                    task = asyncio.create_task(_answer_later(self.name, request, handler))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                else:
                    self._answer(request)
        except EndpointClosed:
            return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _add(self, name: str, function: "_Handler") -> "_Handler":
        if not callable(function):
            raise TypeError(f"method {name!r} must be a function, not {type(function).__name__}")
        self._handlers[name] = function
        return function

    def _answer(self, request: "_kren.Request") -> None:
        handler = self._handlers.get(request.method)
        if handler is None:
            known = ", ".join(map(repr, sorted(self._handlers))) or "none"
            request.fail(_UNKNOWN, f"there is no method {request.method!r}; there are: {known}")
            return
        try:
            answer: Any = handler(request)
            if inspect.isgenerator(answer):
                item: Any
                for item in answer:
                    request.item(item)
                _end(request)
            else:
                _reply(request, answer)
        except Cancelled:
            # The generator has gone with the client.
            return
        except Exception as error:  # noqa: BLE001 - told to the client, and logged
            _fail(self.name, request, error)


async def _answer_later(service: str, request: "_kren.Request", handler: "_Handler") -> None:
    try:
        answer: Any = handler(request)
        if inspect.isasyncgen(answer):
            try:
                item: Any
                async for item in answer:
                    request.item(item)
            finally:
                await answer.aclose()
            _end(request)
        else:
            _reply(request, await answer)
    except Cancelled:
        return
    except Exception as error:  # noqa: BLE001 - as above
        _fail(service, request, error)


def _reply(request: "_kren.Request", answer: Any) -> None:
    if not request.answered:
        request.reply(b"" if answer is None else answer)


def _end(request: "_kren.Request") -> None:
    if not request.answered:
        request.end()


def _fail(service: str, request: "_kren.Request", error: Exception) -> None:
    _log.exception("service '%s': method %r failed", service, request.method)
    if not request.answered:
        request.fail(_RAISED, f"{type(error).__name__}: {error}")
