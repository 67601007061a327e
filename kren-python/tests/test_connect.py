"""Connecting and ending without blocking the event loop, and without leaving anything behind."""

import asyncio
import resource
import threading
from collections.abc import Awaitable, Callable

import kren
import pytest

from support import child, segment_of, until

CAPACITY = 4096


def searches() -> int:
    return sum(thread.name == "kren-connect" for thread in threading.enumerate())


def test_a_channel_that_is_there_is_connected_to_at_once(channel: str) -> None:
    async def run() -> None:
        async with kren.Writer(channel, CAPACITY) as writer:
            await writer.awrite(b"message")
            reader = await kren.connect(channel, timeout=0)
            assert searches() == 0
            assert isinstance(reader, kren.Reader)
            assert (reader.name, reader.closed) == (channel, False)
            async with reader as same:
                assert same is reader
                assert await reader.aread() == b"message"
            assert reader.closed
        assert writer.closed

    asyncio.run(run())


def test_the_loop_runs_while_the_channel_is_waited_for(channel: str) -> None:
    async def run() -> None:
        connecting = asyncio.create_task(kren.connect(channel, strategy="sleep"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not connecting.done()
        async with (
            kren.Writer(channel, CAPACITY) as writer,
            await asyncio.wait_for(connecting, 30) as reader,
        ):
            await writer.awrite(b"message")
            assert await reader.aread() == b"message"

    asyncio.run(run())
    until(lambda: searches() == 0)


def test_a_live_writer_is_waited_for(channel: str) -> None:
    async def run() -> None:
        with kren.Writer(channel, CAPACITY) as yesterday:
            yesterday.write(b"yesterday's")
        with pytest.raises(kren.TimedOut, match="live writer"):
            await kren.connect(channel, 0.01, live=True)
        connecting = asyncio.create_task(kren.connect(channel, live=True, start="newest"))
        await asyncio.sleep(0.01)
        async with (
            kren.Writer(channel, CAPACITY) as writer,
            await asyncio.wait_for(connecting, 30) as reader,
        ):
            await writer.awrite(b"today's")
            assert await reader.aread() == b"today's"

    asyncio.run(run())


def test_what_cannot_be_connected_to(channel: str) -> None:
    async def run() -> None:
        for timeout in (0, 0.01):
            with pytest.raises(kren.NotFound, match=channel):
                await kren.connect(channel, timeout)
        with pytest.raises(kren.InvalidName):
            await kren.connect("no/name")
        with pytest.raises(kren.InvalidOption, match="strategy"):
            await kren.connect(channel, strategy="fast")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="timeout"):
            await kren.connect(channel, -1)
        with pytest.raises(TypeError, match="timeout"):
            await kren.connect(channel, "soon")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="colour"):
            await kren.connect(channel, colour=1)  # type: ignore[call-arg]
        with (
            kren.Writer(channel, CAPACITY),
            kren.Reader(channel),
            pytest.raises(kren.ReaderExists),
        ):
            await kren.connect(channel)

    asyncio.run(run())


def test_a_cancelled_search_holds_nothing(channel: str) -> None:
    """Also where the channel comes at the very moment: a next reader is not refused."""

    async def run() -> None:
        for turn in range(20):
            connecting = asyncio.create_task(kren.connect(channel))
            await asyncio.sleep(0.001)
            writer = kren.Writer(channel, CAPACITY)
            writer.write(b"message")
            for _ in range(turn % 4):
                await asyncio.sleep(0.0005)
            connecting.cancel()
            try:
                reader = await connecting
            except asyncio.CancelledError:
                reader = kren.Reader(channel)
            with reader:
                assert reader.read() == b"message"
            writer.close()
            assert not segment_of(channel).exists()

    asyncio.run(run())
    until(lambda: searches() == 0)


def test_a_search_that_is_timed_from_outside(channel: str) -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await kren.connect(channel)
        until(lambda: searches() == 0)

    asyncio.run(run())


def test_a_loop_that_is_gone_when_the_channel_comes(channel: str) -> None:
    """The reader that nobody gets is closed."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(kren.connect(channel))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    with kren.Writer(channel, CAPACITY) as writer:
        until(lambda: writer.reader_state == "closed")
        writer.write(b"message")
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    until(lambda: searches() == 0)


def test_a_program_may_end_while_it_connects(channel: str) -> None:
    code = """
import asyncio, kren, sys
async def main():
    task = asyncio.create_task(kren.connect(sys.argv[1]))
    await asyncio.sleep(0.01)
    print("searching", flush=True)
asyncio.run(main())
"""
    with child(code, channel) as searching:
        assert searching.line() == "searching"
        assert searching.end() == 0


def test_flushing_leaves_the_loop_free(channel: str) -> None:
    async def run() -> None:
        async with kren.Writer(channel, CAPACITY) as writer:
            await writer.aflush()
            await writer.awrite(b"one")
            with pytest.raises(kren.TimedOut, match="end of delivery"):
                await writer.aflush(timeout=0.01)
            with pytest.raises(kren.TimedOut):
                await writer.aflush(0)
            cancelled = asyncio.create_task(writer.aflush())
            flushing = asyncio.create_task(writer.aflush())
            await asyncio.sleep(0.01)
            assert not flushing.done()
            cancelled.cancel()
            async with await kren.connect(channel) as reader:
                assert await reader.aread() == b"one"
                await asyncio.wait_for(flushing, 30)
                await writer.awrite(b"two")
                flushing = asyncio.create_task(writer.aflush())
                await asyncio.sleep(0.01)
            with pytest.raises(kren.Closed):
                await asyncio.wait_for(flushing, 30)
            with kren.Reader(channel) as reader:
                assert reader.read() == b"two"
        with pytest.raises(kren.EndpointClosed):
            await writer.aflush()

    asyncio.run(run())


def test_an_exception_in_the_block_closes_too(channel: str) -> None:
    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            async with kren.Writer(channel, CAPACITY) as writer:
                raise ZeroDivisionError
        assert writer.closed

    asyncio.run(run())


@pytest.mark.parametrize("wait", ["aread", "awrite", "aflush", "connect"])
def test_awaiting_without_descriptors_is_an_error_of_kren(channel: str, wait: str) -> None:
    async def run() -> None:
        with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
            calls: dict[str, Callable[[], Awaitable[object]]] = {
                "aread": reader.aread,
                "awrite": lambda: writer.awrite(bytes(4088)),
                "aflush": writer.aflush,
                "connect": lambda: kren.connect(f"{channel}-missing", 0.01),
            }
            if wait != "aread":
                writer.write(b"in the way")
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                with pytest.raises(kren.KrenError, match=channel) as caught:
                    await calls[wait]()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            if wait != "connect":
                assert type(caught.value) is kren.Io
                assert caught.value.errno == 24
                assert "descriptor" in str(caught.value)
            # It goes on once there are some.
            writer.try_write(b"message")
            assert await reader.aread(timeout=30)
            while reader.try_read() is not None:
                pass

    asyncio.run(run())


@pytest.mark.parametrize("wait", ["aread", "connect"])
def test_awaiting_without_threads_is_an_error_of_kren(channel: str, wait: str) -> None:
    """In a process of its own, for the limit is the user's."""
    code = """
import asyncio, kren, os, resource, sys
async def main():
    # Threads are counted for each user, and not at all for root.
    if os.geteuid() == 0:
        os.setuid(54321)
    with kren.Writer(sys.argv[1], 4096), kren.Reader(sys.argv[1]) as reader:
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        try:
            if sys.argv[2] == "aread":
                await reader.aread()
            else:
                await kren.connect(sys.argv[1] + "-missing")
        except kren.Io as error:
            print(error.errno, "thread" in str(error), error.channel.startswith(sys.argv[1]))
asyncio.run(main())
"""
    with child(code, channel, wait) as waiting:
        assert waiting.line() == "11 True True"
        assert waiting.end() == 0
