"""Awaiting endpoints: the loop stays free, nothing is lost, everybody gets their turn."""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kren
import pytest

from support import child, until, waiting_threads

CAPACITY = 64 * 1024


def with_both(
    channel: str, test: Callable[[kren.Writer, kren.Reader], Coroutine[Any, Any, None]]
) -> None:
    # Threads of the test before end in their own time.
    until(lambda: waiting_threads() == 0)

    async def run() -> None:
        with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
            await test(writer, reader)

    asyncio.run(run())


async def turns(count: int) -> None:
    """Let every other task run `count` times."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_message_that_is_there_comes_without_a_thread(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        before = waiting_threads()
        for number in range(100):
            writer.write(b"%d" % number, tag=number)
        for number in range(50):
            assert await reader.aread() == b"%d" % number
        for number in range(50, 100):
            assert await reader.aread_tagged(timeout=0) == (number, b"%d" % number)
        await writer.awrite(b"room", tag=1)
        assert waiting_threads() == before
        assert await reader.aread() == b"room"

    with_both(channel, test)


def test_the_loop_runs_while_a_task_waits(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        task = asyncio.create_task(reader.aread())
        await turns(100)
        assert not task.done()
        until(lambda: waiting_threads() == 1)
        await writer.awrite(b"message")
        assert await task == b"message"

    with_both(channel, test)


def test_one_thread_waits_however_often(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        for number in range(200):
            task = asyncio.create_task(reader.aread())
            await turns(number % 3)
            writer.write(b"%d" % number)
            assert await task == b"%d" % number
            assert waiting_threads() <= 1

    with_both(channel, test)
    until(lambda: waiting_threads() == 0)


def test_one_thread_waits_for_many(channel: str) -> None:
    """G9: as many endpoints as one likes are awaited at the price of one thread."""
    with ExitStack() as ends:
        names = [f"{channel}-{at}" for at in range(100)]
        writers = [ends.enter_context(kren.Writer(name, 4096)) for name in names]
        readers = [ends.enter_context(kren.Reader(name)) for name in names]

        async def test() -> None:
            tasks = [asyncio.create_task(reader.aread()) for reader in readers]
            await turns(2)
            assert waiting_threads() == 1
            for writer in writers:
                writer.write(b"x")
            assert await asyncio.gather(*tasks) == [b"x"] * 100

        asyncio.run(test())
    until(lambda: waiting_threads() == 0)


def test_messages_from_another_process(channel: str) -> None:
    """Faster and slower than the reader in turn, so that every path is taken."""
    code = """
import kren, sys, time
with kren.Writer(sys.argv[1], 65536) as writer:
    print("open", flush=True)
    for number in range(5000):
        writer.write(b"%d" % number)
        if number % 500 == 0:
            writer.flush()
"""

    async def read_all() -> list[int]:
        with kren.Reader(channel) as reader:
            return [int(message) async for message in reader]

    with child(code, channel) as writing:
        assert writing.line() == "open"
        assert asyncio.run(read_all()) == list(range(5000))


def test_iteration_ends_with_the_channel(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        async def read_all() -> list[bytes]:
            return [message async for message in reader]

        task = asyncio.create_task(read_all())
        writer.write(b"one")
        await turns(10)
        writer.write(b"two")
        writer.close()
        assert await task == [b"one", b"two"]
        with pytest.raises(kren.Closed):
            await reader.aread()

    with_both(channel, test)


def test_iteration_lets_the_loop_turn_between_ready_messages(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        count = 0
        while ticks < 10 and count < 1_000_000:
            while writer.try_write(b"message"):
                pass
            while reader.available:
                await reader.aread()
                count += 1
        ticking.cancel()
        # Neither one message to a turn of the loop, which is slow, nor all of them.
        assert ticks * 2 < count < 1_000_000

    with_both(channel, test)


def test_timeouts(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        for timeout in (0, 0.01):
            with pytest.raises(kren.TimedOut, match=channel):
                await reader.aread(timeout)
            with pytest.raises(TimeoutError):
                await reader.aread_tagged(timeout=timeout)
        # A plain call must not meet a native thread that still waits.
        with pytest.raises(kren.TimedOut):
            reader.read(timeout=0.01)
        writer.write(bytes(writer.max_message_len))
        for timeout in (0, 0.01):
            with pytest.raises(kren.TimedOut, match="room"):
                await writer.awrite(b"", timeout)
        with pytest.raises(ValueError, match="timeout"):
            await reader.aread(-1)
        with pytest.raises(TypeError, match="timeout"):
            await reader.aread(True)
        assert len(await reader.aread()) == writer.max_message_len
        await writer.awrite(b"now", 0)
        assert await reader.aread(0) == b"now"

    with_both(channel, test)


def test_timeouts_of_asyncio_itself(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await reader.aread()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.aread(), 0.01)
        writer.write(b"message")
        assert await asyncio.wait_for(reader.aread(), 10) == b"message"

    with_both(channel, test)


def test_cancellation_at_any_moment_loses_no_message(channel: str) -> None:
    """The moment of the cancel moves through everything that a wake-up consists of."""

    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        received: list[bytes] = []
        cancelled = 0

        async def read_one() -> None:
            received.append(await reader.aread())

        for number in range(600):
            task = asyncio.create_task(read_one())
            await turns(number % 4)
            writer.write(b"%d" % number)
            notifier = reader._line._watch.notifier
            if number % 2 and notifier is not None:
                # Until the native thread has rung, which the loop has not heard of yet.
                notifier.wait()
            await turns(number % 5)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                cancelled += 1
        while (message := reader.try_read()) is not None:
            received.append(message)
        assert received == [b"%d" % number for number in range(600)]
        assert 0 < cancelled < 600

    with_both(channel, test)


def test_tasks_take_turns_in_the_order_in_which_they_came(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        order: list[tuple[int, bytes]] = []

        async def read_one(place: int) -> None:
            order.append((place, await reader.aread()))

        tasks = [asyncio.create_task(read_one(place)) for place in range(10)]
        await turns(3)
        tasks[0].cancel()
        tasks[4].cancel()
        for number in range(8):
            writer.write(b"%d" % number)
        await asyncio.gather(*tasks, return_exceptions=True)
        places = [1, 2, 3, 5, 6, 7, 8, 9]
        assert order == [(place, b"%d" % number) for number, place in enumerate(places)]

    with_both(channel, test)


def test_a_newcomer_does_not_overtake_those_who_wait(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        waiting = asyncio.create_task(reader.aread())
        await turns(3)
        writer.write(b"first")
        newcomer = asyncio.create_task(reader.aread(timeout=30))
        await turns(1)
        writer.write(b"second")
        assert await waiting == b"first"
        assert await newcomer == b"second"

    with_both(channel, test)


def test_writers_wait_for_room_in_order(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        size = writer.capacity // 2
        tasks = [
            asyncio.create_task(writer.awrite(bytes([n]) * size, tag=n, timeout=30))
            for n in range(20)
        ]
        await turns(3)
        assert sum(task.done() for task in tasks) == 1
        for number in range(20):
            assert await reader.aread_tagged(timeout=30) == (number, bytes([number]) * size)
        await asyncio.gather(*tasks)

    with_both(channel, test)


def test_a_cancelled_write_has_written_nothing(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        largest = bytes(writer.max_message_len)
        writer.write(largest)
        task = asyncio.create_task(writer.awrite(b"cancelled"))
        await turns(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await reader.aread() == largest
        assert reader.try_read() is None

    with_both(channel, test)


def test_awrite_refuses_what_write_refuses(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        with pytest.raises(TypeError, match="encode"):
            await writer.awrite("text")  # type: ignore[arg-type]
        with pytest.raises(kren.TooLarge):
            await writer.awrite(bytes(writer.capacity))
        with pytest.raises(ValueError, match="tag"):
            await writer.awrite(b"", tag=-1)
        assert reader.try_read() is None

    with_both(channel, test)


@pytest.mark.parametrize("from_thread", [False, True])
def test_close_fails_what_waits(channel: str, from_thread: bool) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        writer.write(bytes(writer.max_message_len))
        writes = [asyncio.create_task(writer.awrite(b"")) for _ in range(3)]
        await turns(3)
        if from_thread:
            await asyncio.to_thread(writer.close)
        else:
            writer.close()
        for error in await asyncio.gather(*writes, return_exceptions=True):
            assert isinstance(error, kren.EndpointClosed)
        reader.read()

        with kren.Writer(channel, CAPACITY):
            reads = [asyncio.create_task(reader.aread()) for _ in range(3)]
            iterating = asyncio.create_task(anext(reader))
            await turns(3)
            if from_thread:
                await asyncio.to_thread(reader.close)
            else:
                reader.close()
            for outcome in await asyncio.gather(*reads, iterating, return_exceptions=True):
                assert isinstance(outcome, kren.EndpointClosed)
            with pytest.raises(kren.EndpointClosed):
                await reader.aread()

    with_both(channel, test)
    until(lambda: waiting_threads() == 0)


def test_the_death_of_the_other_side_ends_a_wait(channel: str) -> None:
    """G4."""
    code = """
import kren, sys
writer = kren.Writer(sys.argv[1], 65536)
writer.write(b"last")
print("open", flush=True)
input()
"""

    async def test() -> None:
        with child(code, channel) as writing:
            assert writing.line() == "open"
            with kren.Reader(channel) as reader:
                assert await reader.aread() == b"last"
                task = asyncio.create_task(anext(reader))
                await turns(3)
                writing.kill()
                with pytest.raises(kren.PeerDied):
                    await task
                with kren.Writer(channel, CAPACITY) as writer:
                    writer.write(b"goes on")
                    assert await reader.aread() == b"goes on"

    asyncio.run(test())


def test_one_endpoint_in_one_loop_after_another(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:

        async def exchange() -> bytes:
            task = asyncio.create_task(reader.aread())
            await turns(3)
            writer.write(b"message")
            return await task

        for _ in range(3):
            assert asyncio.run(exchange()) == b"message"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine.*never awaited:RuntimeWarning")
def test_a_loop_that_was_closed_under_a_waiting_task(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        loop = asyncio.new_event_loop()
        abandoned = loop.create_task(reader.aread())
        loop.run_until_complete(turns(3))
        loop.close()
        writer.write(b"message")
        assert asyncio.run(reader.aread()) == b"message"
        with pytest.raises(kren.TimedOut):
            asyncio.run(reader.aread(timeout=0.01))
        # Its end, whenever it comes, must not disturb the others.
        abandoned._log_destroy_pending = False  # type: ignore[attr-defined]
        del abandoned, loop
        gc.collect()
        writer.write(b"another")
        assert asyncio.run(reader.aread()) == b"another"


def test_two_loops_at_once_are_refused(channel: str) -> None:
    async def test(writer: kren.Writer, reader: kren.Reader) -> None:
        task = asyncio.create_task(reader.aread())
        await turns(3)
        with pytest.raises(kren.Busy, match="another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(reader.aread()))
        writer.write(b"message")
        assert await task == b"message"

    with_both(channel, test)


class WatchesNothing(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, as Windows' default one."""

    def add_reader(self, fd: object, callback: object, *args: object) -> None:
        raise NotImplementedError


def test_loops_that_cannot_watch_a_descriptor(channel: str) -> None:
    async def test() -> None:
        with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
            for number in range(50):
                task = asyncio.create_task(reader.aread())
                await turns(number % 4)
                writer.write(b"%d" % number)
                assert await task == b"%d" % number
            with pytest.raises(kren.TimedOut):
                await reader.aread(timeout=0.01)
            task = asyncio.create_task(reader.aread())
            await turns(3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with asyncio.Runner(loop_factory=WatchesNothing) as runner:
        # The loop's own wake-up needs the descriptors that the class refuses to everybody else.
        runner.run(test())
    until(lambda: threading.active_count() == 1)


def test_a_waiting_task_costs_no_descriptor_and_no_thread_once_it_is_over(channel: str) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(20):

        async def test(writer: kren.Writer, reader: kren.Reader) -> None:
            with pytest.raises(kren.TimedOut):
                await reader.aread(timeout=0.001)
            notifier = reader._line._watch.notifier
            assert notifier is not None
            assert not asyncio.get_running_loop().remove_reader(notifier.fileno())

        with_both(channel, test)
    until(lambda: waiting_threads() == 0)
    until(lambda: descriptors() == before)


def test_ctrl_c_ends_a_waiting_program(channel: str) -> None:
    code = """
import asyncio, kren, sys

async def main():
    with kren.Reader(sys.argv[1]) as reader:
        print("waits", flush=True)
        await reader.aread()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with kren.Writer(channel, CAPACITY), child(code, channel) as waiting:
        assert waiting.line() == "waits"
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        assert waiting.end() == 0
