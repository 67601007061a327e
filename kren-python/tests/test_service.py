"""Calls and their answers, and what becomes of them when a side dies (P11 to P13)."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import kren
import pytest

from support import PATIENCE, child, until

SERVE = """
import asyncio, sys, kren
name, standby = sys.argv[1], sys.argv[2] == "standby"
print("starting", flush=True)
server = kren.Server(name, standby=30 if standby else False)
print("serving", flush=True)

@server.method("")
def echo(request):
    request.reply(memoryview(request), tag=request.tag)

@server.method
def count(request):
    for at in range(request[0]):
        yield bytes([at])

@server.method
def fail(request):
    request.fail(42, "no such thing")

@server.method
def drop(request):
    request.reply(b"x" * (1 << 21))

@server.method("raise")
def raise_(request):
    raise LookupError(bytes(request).decode())

server.serve()
"""

HANG = """
import sys, kren
server = kren.Server(sys.argv[1])
print("serving", flush=True)
held = []
for request in server:
    held.append(request)
    print("got", len(held), flush=True)
"""

CALL = """
import sys, kren
client = kren.Client(sys.argv[1])
for at in range(int(sys.argv[2])):
    data = at.to_bytes(8, "little") * (1 + at % 100)
    assert client.call(data, 30) == data
print("done", flush=True)
"""


@contextmanager
def serving(name: str) -> Iterator[kren.Client]:
    """A client of a server in another process."""
    with child(SERVE, name, "alone") as server:
        assert server.line() == "starting"
        assert server.line() == "serving"
        with kren.Client(name) as client:
            yield client


def test_each_call_gets_its_answer(group: str) -> None:
    """P11: whoever else calls; several calls of one client are answered in any order."""
    with serving(group) as client, child(CALL, group, "300") as other:
        assert client.server_state == "attached"
        for at in range(200):
            answer = client.call(bytes([at]) * at, PATIENCE, tag=at)
            assert (answer, answer.tag) == (bytes([at]) * at, at)
        calls = {at: client.start(bytes([at]), PATIENCE) for at in range(100)}
        assert client.pending == 100
        for at, call in reversed(calls.items()):
            assert call.result() == bytes([at])
            with pytest.raises(kren.Cancelled):
                call.result()
        assert (client.pending, client.late) == (0, 0)
        assert other.line() == "done"


def test_several_answers_and_failures(group: str) -> None:
    """P11."""
    with serving(group) as client:
        assert [answer[0] for answer in client.stream(b"\x05", method="count")] == [0, 1, 2, 3, 4]
        assert client.call(b"\x05", PATIENCE, method="count") == b"\x00"
        with pytest.raises(kren.Remote, match="gave no answer"):
            client.call(b"\x00", PATIENCE, method="count")
        for method, code, text in (
            ("fail", 42, "no such thing"),
            ("raise", 2**32 - 3, "LookupError: something"),
            ("nothing", 2**32 - 2, "there is no method 'nothing'"),
        ):
            with pytest.raises(kren.Remote) as failed:
                client.call(b"something", PATIENCE, method=method)
            assert failed.value.remote_code == code
            assert failed.value.remote_text.startswith(text)
            assert failed.value.channel == group
        # An answer that is too long is a failure of the method, and not silence.
        with pytest.raises(kren.Remote, match="TooLarge"):
            client.call(b"", PATIENCE, method="drop")
        with pytest.raises(kren.TooLarge):
            client.call(bytes(client.max_request_len + 1))
        stream = client.stream(b"\xff", method="count")
        assert next(stream) == b"\x00"
        stream.close()  # type: ignore[attr-defined]
        assert client.pending == 0
        assert client.call(b"still well", PATIENCE) == b"still well"


def test_calls_that_cannot_be_answered(group: str) -> None:
    """P12: at once where there is no server, soon where it dies, in time where it hangs."""
    with kren.Client(group) as client:
        with pytest.raises(kren.NoServer):
            client.call(b"x")
        with child(HANG, group) as server:
            assert server.line() == "serving"
            with pytest.raises(kren.TimedOut):
                client.call(b"x", 0.02)
            assert server.line() == "got 1"
            calls = [client.start(b"x", PATIENCE) for _ in range(3)]
            for at in range(2, 5):
                assert server.line() == f"got {at}"
            server.kill()
            begun = time.monotonic()
            for call in calls:
                with pytest.raises(kren.ServerDied):
                    call.result()
            assert time.monotonic() - begun < 5
        until(lambda: client.server_state == "died")
        with pytest.raises(kren.NoServer):
            client.call(b"x")


def test_a_server_that_stands_by_takes_over(group: str) -> None:
    """P13: what may be done again is, by the successor; the rest fails, and nothing hangs."""
    with child(HANG, group) as first:
        assert first.line() == "serving"
        with kren.Client(group) as client, child(SERVE, group, "standby") as second:
            assert second.line() == "starting"
            again = client.start(b"again", PATIENCE, retry=True)
            once = client.start(b"once", PATIENCE)
            assert first.line() == "got 1"
            assert first.line() == "got 2"
            first.kill()
            assert second.line() == "serving"
            assert again.result() == b"again"
            with pytest.raises(kren.ServerDied):
                once.result()
            assert client.call(b"new", PATIENCE) == b"new"


def test_a_client_that_dies_disturbs_nobody(group: str) -> None:
    with kren.Server(group) as server, kren.Client(group) as other:
        with child(CALL, group, "1") as victim:
            request = server.read(PATIENCE)
            assert request.client.pid == victim.pid
            victim.kill()
        request.reply(b"too late")
        call = other.start(b"x", PATIENCE)
        server.read(PATIENCE).reply(b"y")
        assert call.result() == b"y"


def test_what_a_request_tells(group: str) -> None:
    with kren.Server(group) as server, kren.Client(group) as client:
        assert server.try_read() is None
        with pytest.raises(kren.TimedOut):
            server.read(0)
        call = client.start(b"some bytes", 60, method="find", tag=5)
        request = next(server)
        assert (request.method, request.tag, len(request)) == ("find", 5, 10)
        assert bytes(request) == b"some bytes"
        assert bytes(request[:4]) == b"some"
        assert request.client == server.clients[0]
        left = request.time_left
        assert left is not None
        assert 50 < left <= 60
        assert not request.cancelled
        view = memoryview(request)
        assert call.poll() == (False, None)
        request.item(b"one", tag=1)
        request.end()
        assert request.answered
        # What looks at it still may, and no more of it is given out.
        assert bytes(view) == b"some bytes"
        with pytest.raises(ValueError, match="released"):
            bytes(request)
        with pytest.raises(ValueError, match="answered already"):
            request.reply(b"")
        there, answer = call.poll()
        assert there
        assert answer is not None
        assert (answer, answer.tag) == (b"one", 1)
        assert call.poll() == (True, None)
        given_up = client.start(b"")
        request = server.read(PATIENCE)
        given_up.cancel()
        assert server.try_read() is None
        assert request.cancelled
        with pytest.raises(kren.Cancelled):
            request.item(b"")
        request.end()
        dropped = client.start(b"")
        del request
        server.read(PATIENCE)
        with pytest.raises(kren.Remote, match="unanswered"):
            dropped.result()


def test_what_is_refused(group: str) -> None:
    with kren.Server(group, clients=1) as server, kren.Client(group) as client:
        with pytest.raises(kren.WriterExists):
            kren.Server(group)
        with pytest.raises(kren.TimedOut):
            kren.Server(group, standby=0.01)
        with pytest.raises(kren.NoSeat):
            kren.Client(group)
        with pytest.raises(kren.WrongKind):
            kren.Inbox(group, 4096)
        assert not server.is_removed
        assert not client.is_removed

        @server.method
        async def later(_request: kren.Request) -> bytes:
            return b""

        with pytest.raises(TypeError, match=r"method 'later' is async; use `await server.aserve"):
            server.serve()
        with pytest.raises(TypeError, match="must be a function"):
            server.method("x")(5)  # type: ignore[arg-type]
        server.method("later")(bytes)
    for call in (server.read, server.try_read, client.call):
        with pytest.raises(kren.EndpointClosed):
            call()
    server.serve()


def test_a_forked_child_is_refused(group: str) -> None:
    """G10."""
    with kren.Server(group) as server, kren.Client(group) as client:
        call = client.start(b"for the parent")
        pid = os.fork()
        if pid == 0:
            told = 0
            for refused in (server.read, server.try_read, client.call, call.poll):
                try:
                    refused()
                except kren.Forked:
                    told += 1
            os._exit(told)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
        server.read(PATIENCE).reply(b"well")
        assert call.result() == b"well"


INTERRUPTED = """
import kren, sys
client = kren.Client(sys.argv[1])
print("waits", flush=True)
try:
    client.call(b"never")
except KeyboardInterrupt:
    print("interrupted", client.pending, flush=True)
print(client.call(b"after").decode(), flush=True)
"""


def test_ctrl_c_gives_a_call_up(group: str) -> None:
    with kren.Server(group) as server, child(INTERRUPTED, group) as waiting:
        assert waiting.line() == "waits"
        request = server.read(PATIENCE)
        until(waiting.sleeps)
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted 0"
        after = server.read(PATIENCE)
        assert bytes(after) == b"after"
        assert request.cancelled
        after.reply(b"done")
        assert waiting.line() == "done"
        assert waiting.end() == 0


def test_a_server_is_closed_from_another_thread(group: str) -> None:
    server = kren.Server(group)
    serving = threading.Thread(target=server.serve)
    serving.start()
    server.close()
    serving.join(PATIENCE)
    assert not serving.is_alive()


def test_asyncio_calls(group: str) -> None:
    """P11, P12: many at a time, some cancelled; and the death of the server ends them all."""

    async def run() -> None:
        with child(SERVE, group, "alone") as server:
            server.line()
            server.line()
            async with kren.Client(group) as client:
                answers = await asyncio.gather(
                    *(client.acall(bytes([at]), PATIENCE, tag=at) for at in range(200))
                )
                assert [(answer[0], answer.tag) for answer in answers] == [
                    (at, at) for at in range(200)
                ]
                stream = client.astream(b"\x64", PATIENCE, method="count")
                assert [answer[0] async for answer in stream] == list(range(100))
                with pytest.raises(kren.Remote):
                    await client.acall(b"", PATIENCE, method="fail")
                cancelled = [asyncio.create_task(client.acall(b"x")) for _ in range(10)]
                await asyncio.sleep(0)
                for task in cancelled:
                    task.cancel()
                await asyncio.gather(*cancelled, return_exceptions=True)
                assert client.pending == 0
                assert await client.acall(b"after", PATIENCE) == b"after"
        with child(HANG, group) as server:
            assert server.line() == "serving"
            async with kren.Client(group) as client:
                with pytest.raises(kren.TimedOut):
                    await client.acall(b"", 0.01)
                calls = [asyncio.create_task(client.acall(b"", PATIENCE)) for _ in range(5)]
                await asyncio.sleep(0.01)
                server.kill()
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert all(isinstance(outcome, kren.ServerDied) for outcome in outcomes)
                with pytest.raises(kren.NoServer):
                    await client.acall(b"")

    asyncio.run(run())


def test_asyncio_serves(group: str) -> None:
    """P11: handlers of all kinds, clients in other processes, and answers in any order."""

    async def run() -> None:
        async with kren.Server(group) as server, kren.Client(group) as client:
            gate = asyncio.Event()

            @server.method("")
            def echo(request: kren.Request) -> bytes:
                return bytes(request)

            @server.method
            async def wait(request: kren.Request) -> bytes:
                await gate.wait()
                return bytes(request)

            @server.method
            async def several(request: kren.Request) -> AsyncIterator[bytes]:
                for at in range(request[0]):
                    await asyncio.sleep(0)
                    yield bytes([at])

            @server.method
            async def broken(_request: kren.Request) -> None:
                raise LookupError("lost")

            serving = asyncio.create_task(server.aserve())
            waiting = asyncio.create_task(client.acall(b"first", PATIENCE, method="wait"))
            with child(CALL, group, "100") as other:
                assert await client.acall(b"second", PATIENCE) == b"second"
                assert not waiting.done()
                gate.set()
                assert await waiting == b"first"
                answers = client.astream(b"\x05", PATIENCE, method="several")
                assert [answer[0] async for answer in answers] == [0, 1, 2, 3, 4]
                with pytest.raises(kren.Remote, match="LookupError: lost"):
                    await client.acall(b"", PATIENCE, method="broken")
                assert await asyncio.to_thread(other.line) == "done"
            gate.clear()
            stuck = asyncio.create_task(client.acall(b"", PATIENCE, method="wait"))
            await asyncio.sleep(0.01)
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            with pytest.raises(kren.Remote):
                await stuck

    asyncio.run(run())


def test_standing_by_under_asyncio(group: str) -> None:
    """P13."""

    async def run() -> None:
        first = kren.Server(group)
        with pytest.raises(kren.TimedOut):
            await kren.stand_by(group, 0.02)
        with pytest.raises(kren.WriterExists):
            await kren.stand_by(group, 0)
        cancelled = asyncio.create_task(kren.stand_by(group))
        waiting = asyncio.create_task(kren.stand_by(group, PATIENCE))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        first.close()
        (await waiting).close()

    asyncio.run(run())


def test_in_a_selector(group: str) -> None:
    with (
        kren.Selector() as selector,
        kren.Server(group) as server,
        kren.Client(group) as client,
        child(CALL, group, "50") as other,
    ):
        selector.register(server, kren.EVENT_READ)
        answered = 0
        while answered < 50:
            assert len(selector.select(PATIENCE)) == 1
            while (request := server.try_read()) is not None:
                request.reply(bytes(request))
                answered += 1
        assert other.line() == "done"
        call = client.start(b"x", PATIENCE)
        selector.register(client, kren.EVENT_READ, "client")
        while (request := server.try_read()) is None:
            selector.select(PATIENCE)
        request.reply(b"y")
        while not (found := call.poll())[0]:
            selector.select(PATIENCE)
        assert found == (True, b"y")
