"""Outlasting a writer: waiting for the next, asking for a live one, leaving nothing to the next."""

import asyncio
import threading
from collections.abc import Callable

import kren
import pytest

from support import child, segment_of, until

CAPACITY = 4096

WRITER = """
import kren, sys
writer = kren.Writer(sys.argv[1], 4096)
writer.write(sys.argv[2].encode())
print("written", flush=True)
sys.stdin.readline()
"""


def test_a_reader_goes_on_with_the_next_writer(channel: str) -> None:
    """G3, G4: one form of loop for closes and deaths."""
    got: list[bytes] = []
    with child(WRITER, channel, "one") as first:
        assert first.line() == "written"
        with kren.Reader(channel) as reader:
            got.append(reader.read())
            first.kill()
            with pytest.raises(kren.PeerDied, match="wait_for_writer"):
                reader.read()
            with pytest.raises(kren.TimedOut, match="live writer"):
                reader.wait_for_writer(timeout=0.01)
            with pytest.raises(kren.TimedOut):
                reader.wait_for_writer(0)
            waiting = threading.Thread(target=reader.wait_for_writer)
            waiting.start()
            with child(WRITER, channel, "two") as second:
                waiting.join(30)
                assert not waiting.is_alive()
                got.append(reader.read())
                second.say("")
                assert second.end() == 0
            with pytest.raises(kren.Closed, match="wait_for_writer"):
                reader.read()
            with kren.Writer(channel, CAPACITY) as third:
                reader.wait_for_writer(timeout=0)
                third.write(b"three")
                got.append(reader.read())
    assert got == [b"one", b"two", b"three"]


def test_a_reader_moves_over_to_a_new_channel_of_the_name(channel: str) -> None:
    """The name was removed, as a cleaner does: what is left comes first, then the new channel."""
    old = kren.Writer(channel, CAPACITY)
    with kren.Reader(channel) as reader:
        old.write(b"left")
        segment_of(channel).unlink()
        old.close()
        assert reader.capacity == CAPACITY
        with kren.Writer(channel, 4 * CAPACITY, alignment=64) as new:
            new.write(b"new")
            reader.wait_for_writer(timeout=30)
            assert reader.read() == b"left"
            assert reader.read() == b"new"
            assert (reader.capacity, reader.alignment) == (4 * CAPACITY, 64)
            assert f"capacity={4 * CAPACITY}" in repr(reader)
    assert (reader.capacity, reader.alignment) == (4 * CAPACITY, 64)


def test_a_removed_name_is_told(channel: str) -> None:
    """The writer is dead, and none can come to this segment any more."""
    with child(WRITER, channel, "last") as writing:
        assert writing.line() == "written"
        with kren.Reader(channel) as reader:
            segment_of(channel).unlink()
            writing.kill()
            assert reader.read() == b"last"
            with pytest.raises(kren.Removed, match="died") as caught:
                reader.read()
            assert isinstance(caught.value, BrokenPipeError)
            assert (caught.value.code, caught.value.channel) == (22, channel)


def test_ctrl_c_interrupts_the_wait_for_a_writer(channel: str) -> None:
    code = """
import kren, signal, sys
kren.Writer(sys.argv[1], 4096).write(b"last")
with kren.Reader(sys.argv[1]) as reader:
    reader.read()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        reader.wait_for_writer()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    with child(code, channel) as waiting:
        assert waiting.line() == "interrupted"
        assert waiting.end() == 0


def test_a_script_that_is_run_twice(channel: str) -> None:
    """The reader of the second run is started first, and wants nothing of the first run."""
    with kren.Writer(channel, CAPACITY) as yesterday:
        yesterday.write(b"yesterday's")
    with pytest.raises((kren.TimedOut, kren.NotFound)):
        kren.Reader(channel, live=True)
    with pytest.raises(kren.TimedOut, match="live writer"):
        kren.Reader(channel, live=True, timeout=0.01)
    got: list[bytes] = []

    def read() -> None:
        with kren.Reader(channel, live=True, start="newest", timeout=30) as reader:
            connected.set()
            got.extend(reader)

    connected = threading.Event()
    reading = threading.Thread(target=read)
    reading.start()
    with kren.Writer(channel, CAPACITY) as today:
        assert connected.wait(30)
        today.write(b"today's")
    reading.join()
    assert got == [b"today's"]


def test_where_a_reader_starts(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(b"1")
        with kren.Reader(channel, start="oldest") as reader:
            assert reader.read() == b"1"
        writer.write(b"2")
        with kren.Reader(channel, start="newest") as reader:
            assert reader.try_read() is None
            writer.write(b"3")
            assert reader.read() == b"3"
        with pytest.raises(kren.InvalidOption, match="'oldest' or 'newest'"):
            kren.Reader(channel, start="latest")  # type: ignore[arg-type]


def test_a_writer_may_discard_what_is_undelivered(channel: str) -> None:
    writer = kren.Writer(channel, CAPACITY)
    writer.write(b"nobody reads this")
    writer.close(discard=True)
    writer.close(discard=True)
    with pytest.raises(kren.NotFound):
        kren.Reader(channel)
    writer = kren.Writer(channel, CAPACITY)
    with kren.Reader(channel) as reader:
        writer.write(b"who is there gets it")
        writer.close(discard=True)
        assert list(reader) == [b"who is there gets it"]
    assert not segment_of(channel).exists()


def test_discarding_reaches_a_writer_that_waits(channel: str) -> None:
    """A close from a signal handler is carried out by the call that it interrupts."""
    code = """
import kren, signal, sys
writer = kren.Writer(sys.argv[1], 4096)
writer.write(b"x" * 4000)
signal.signal(signal.SIGALRM, lambda *_: writer.close(discard=True))
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    writer.write(b"x" * 4000)
except kren.EndpointClosed:
    print("closed", flush=True)
"""
    with child(code, channel) as waiting:
        assert waiting.line() == "closed"
        assert waiting.end() == 0
    with pytest.raises(kren.NotFound):
        kren.Reader(channel)


def test_awaiting_the_next_writer(channel: str) -> None:
    async def run() -> None:
        async with kren.Writer(channel, CAPACITY) as first:
            await first.awrite(b"one")
        async with await kren.connect(channel) as reader:
            assert await reader.aread() == b"one"
            with pytest.raises(kren.Closed):
                await reader.aread()
            with pytest.raises(kren.TimedOut, match="live writer"):
                await reader.await_writer(timeout=0.01)
            with pytest.raises(kren.TimedOut):
                await reader.await_writer(0)
            cancelled = asyncio.create_task(reader.await_writer())
            waiting = asyncio.create_task(reader.await_writer())
            await asyncio.sleep(0.01)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            assert not waiting.done()
            async with kren.Writer(channel, CAPACITY) as second:
                await asyncio.wait_for(waiting, 30)
                await reader.await_writer(0)
                await second.awrite(b"two")
                assert await reader.aread() == b"two"

    asyncio.run(run())


@pytest.mark.parametrize(
    "use",
    [
        lambda reader: reader.wait_for_writer(0),
        lambda reader: asyncio.run(reader.await_writer(0)),
    ],
)
def test_a_closed_reader_waits_for_nobody(
    channel: str, use: Callable[[kren.Reader], object]
) -> None:
    with kren.Writer(channel, CAPACITY):
        reader = kren.Reader(channel)
        reader.close()
        with pytest.raises(kren.EndpointClosed):
            use(reader)


def test_a_close_ends_the_wait_of_another_thread(channel: str) -> None:
    with kren.Writer(channel, CAPACITY):
        reader = kren.Reader(channel)
    errors: list[kren.KrenError] = []

    def wait() -> None:
        try:
            reader.wait_for_writer()
        except kren.KrenError as error:
            errors.append(error)

    def is_waiting() -> bool:
        try:
            reader.try_read()
        except kren.Busy:
            return True
        return False

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(is_waiting)
    reader.close()
    waiting.join()
    assert [type(error) for error in errors] == [kren.EndpointClosed]
