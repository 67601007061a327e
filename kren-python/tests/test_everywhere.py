"""What holds on every system. On Windows and macOS these tests alone run (see conftest.py).

No message is left on a channel that nobody holds: only some systems would keep it.
"""

import asyncio
import sys
import threading

import kren
import pytest

from support import PATIENCE, child

CAPACITY = 65536


def test_messages_arrive_as_written(channel: str) -> None:
    """G1, G2."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        assert writer.capacity == reader.capacity >= CAPACITY
        for message in (b"", b"x", bytes(range(256)) * 100, b"z" * writer.max_message_len):
            writer.write(message, timeout=PATIENCE, tag=len(message) % 1000)
            assert reader.read_tagged(PATIENCE) == (len(message) % 1000, message)
        buffer = bytearray(10)
        writer.write(b"into")
        assert reader.read_into(buffer) == 4
        assert buffer[:4] == b"into"
        assert reader.try_read() is None


def test_timeouts_and_refusals(channel: str) -> None:
    with pytest.raises(kren.NotFound):
        kren.Reader(channel)
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with pytest.raises(kren.TimedOut):
            reader.read(timeout=0.01)
        with pytest.raises(kren.WriterExists):
            kren.Writer(channel, CAPACITY)
        with pytest.raises(kren.ReaderExists):
            kren.Reader(channel)
        with pytest.raises(kren.TooLarge):
            writer.write(bytes(2 * CAPACITY))
        while writer.try_write(bytes(1000)):
            pass
        with pytest.raises(kren.TimedOut):
            writer.write(bytes(1000), timeout=0.01)
        with pytest.raises(kren.TimedOut):
            writer.drain(timeout=0.01)
    with pytest.raises(kren.InvalidName):
        kren.Writer("no/slashes", CAPACITY)


def test_a_clean_close_ends_the_loop(channel: str) -> None:
    """G4."""
    writer = kren.Writer(channel, CAPACITY)
    with kren.Reader(channel) as reader:
        writer.write(b"one")
        writer.write(b"two")
        writer.close()
        assert list(reader) == [b"one", b"two"]
        assert reader.writer_closed
        assert reader.writer_state == "closed"


def test_channels_of_the_whole_machine(channel: str) -> None:
    try:
        writer = kren.Writer(channel, CAPACITY, machine_wide=True)
    except kren.PermissionDenied as refused:
        pytest.skip(f"making one takes a privilege: {refused}")
    with writer, kren.Reader(channel, machine_wide=True) as reader:
        if sys.platform == "win32":
            with pytest.raises(kren.NotFound):
                kren.Reader(channel)
        writer.write(b"wide")
        assert reader.read(PATIENCE) == b"wide"


ECHO = """
import sys, kren
with kren.Reader(sys.argv[1] + ".to", timeout=60) as reader:
    with kren.Writer(sys.argv[1] + ".from", 65536) as writer:
        for message in reader:
            writer.write(message, timeout=60)
        writer.drain(timeout=60)
"""


def test_two_processes_and_a_thread_that_waits(channel: str) -> None:
    """A call that waits lets other threads run."""
    messages = [bytes([number]) * (number * 37) for number in range(200)]
    with child(ECHO, channel) as echo:
        output = kren.Writer(channel + ".to", CAPACITY)
        with kren.Reader(channel + ".from", timeout=PATIENCE) as reader:
            received: list[bytes] = []
            listening = threading.Thread(target=lambda: received.extend(reader))
            listening.start()
            for message in messages:
                output.write(message, timeout=PATIENCE)
            output.drain(timeout=PATIENCE)
            output.close()
            listening.join(PATIENCE)
            assert not listening.is_alive()
        assert received == messages
        assert echo.end() == 0


HOLD = """
import sys, kren
writer = kren.Writer(sys.argv[1], 65536)
writer.write(b"committed")
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_killed_writer_loses_nothing(channel: str) -> None:
    """G3, G4."""
    with child(HOLD, channel) as holding:
        assert holding.line() == "ready"
        with kren.Reader(channel) as reader:
            holding.kill()
            assert reader.read(PATIENCE) == b"committed"
            with pytest.raises(kren.PeerDied):
                reader.read(PATIENCE)
            assert reader.writer_state == "died"
            with kren.Writer(channel, CAPACITY) as writer:
                writer.write(b"resumed")
                assert reader.read(PATIENCE) == b"resumed"


def test_asyncio_waits_without_blocking_the_loop(channel: str) -> None:
    async def talk() -> list[bytes]:
        with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
            with pytest.raises(kren.TimedOut):
                await reader.aread(timeout=0.01)
            waiting = asyncio.create_task(reader.aread(timeout=PATIENCE))
            cancelled = asyncio.create_task(reader.aread())
            for _ in range(3):
                await asyncio.sleep(0)
            cancelled.cancel()
            writer.write(b"first")
            first = await waiting
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            large = bytes(writer.max_message_len)
            await writer.awrite(large)
            full = asyncio.create_task(writer.awrite(b"third", timeout=PATIENCE))
            await asyncio.sleep(0)
            assert not full.done()
            second = await reader.aread()
            assert second == large
            await full
            writer.close()
            return [first, *[message async for message in reader]]

    assert asyncio.run(talk()) == [b"first", b"third"]
