"""Many messages with one call."""

import signal
import threading
from collections.abc import Iterator

import kren
import pytest

from support import child, until

CAPACITY = 64 * 1024


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_many_messages_arrive_whole_and_in_order(channel: str) -> None:
    """G1: from any iterable, with every kind of buffer."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        messages = numbered(100)
        assert writer.write_many(messages) == 100
        assert reader.read_many() == messages
        assert writer.write_many(tuple(messages)) == 100
        assert writer.write_many(number for number in messages) == 100
        assert writer.write_many(map(bytearray, messages)) == 100
        assert reader.read_many() == messages * 3
        assert writer.write_many([]) == 0
        writer.write_many([b"", memoryview(b"view"), bytearray(b"array")])
        assert reader.read_many() == [b"", b"view", b"array"]


def test_no_more_than_asked_for_and_no_less_than_one(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write_many(numbered(2000))
        assert reader.read_many(3) == [b"0", b"1", b"2"]
        assert reader.read_many(max=1, timeout=0) == [b"3"]
        assert len(reader.read_many()) == 1024
        assert len(reader.read_many(10_000)) == 2000 - 1024 - 4
        for timeout in (0, 0.01):
            with pytest.raises(kren.TimedOut):
                reader.read_many(timeout=timeout)
        for too_few in (0, -1, -(2**70)):
            with pytest.raises(ValueError, match=f"max is {too_few}"):
                reader.read_many(too_few)
        with pytest.raises(TypeError):
            reader.read_many(1, "soon")  # type: ignore[arg-type]
        writer.close()
        with pytest.raises(kren.Closed):
            reader.read_many()


def test_read_many_waits_for_the_first_message_only(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        sending = threading.Timer(0.05, writer.write, [b"late"])
        sending.start()
        assert reader.read_many(100, timeout=30) == [b"late"]
        sending.join()


def test_write_many_waits_for_room(channel: str) -> None:
    """G1: much more than the ring holds, through one call."""
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        messages = numbered(20_000)
        sending = threading.Thread(target=writer.write_many, args=[messages])
        sending.start()
        received: list[bytes] = []
        while len(received) < len(messages):
            received += reader.read_many(timeout=30)
        sending.join()
        assert received == messages


def test_a_failure_says_how_many_were_written(channel: str) -> None:
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        with pytest.raises(kren.TimedOut) as timed_out:
            writer.write_many([bytes(1000)] * 10, timeout=0.01)
        assert timed_out.value.written == 4
        assert reader.read_many() == [bytes(1000)] * 4
        with pytest.raises(kren.TooLarge) as too_large:
            writer.write_many([b"one", b"two", bytes(5000), b"four"])
        assert too_large.value.written == 2
        with pytest.raises(TypeError, match="bytes-like") as wrong:
            writer.write_many([b"three", 4])  # type: ignore[list-item]
        assert vars(wrong.value)["written"] == 1
        with pytest.raises(TypeError, match="encode"):
            writer.write_many("text")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            writer.write_many(7)  # type: ignore[arg-type]
        assert reader.read_many() == [b"one", b"two", b"three"]
        assert kren.KrenError("other").written is None

        def failing() -> Iterator[bytes]:
            yield b"four"
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            writer.write_many(failing())
        assert reader.read_many() == [b"four"]


def test_an_iterator_may_use_the_writer_itself(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:

        def pairs() -> Iterator[bytes]:
            for number in range(3):
                writer.write(b"before %d" % number)
                yield b"%d" % number

        writer.write_many(pairs())
        assert reader.read_many() == [b"before 0", b"0", b"before 1", b"1", b"before 2", b"2"]

        def closing() -> Iterator[bytes]:
            yield b"last"
            writer.close()
            yield b"too late"

        with pytest.raises(kren.EndpointClosed):
            writer.write_many(closing())
        assert list(reader) == [b"last"]
        with pytest.raises(kren.EndpointClosed):
            writer.write_many([])


INTERRUPTED = """
import kren, sys
writer = kren.Writer(sys.argv[1], 4096)
print("writing", flush=True)
try:
    writer.write_many([b"%d" % number for number in range(100_000)])
except KeyboardInterrupt as interrupt:
    print(interrupt.written, flush=True)
"""


def test_ctrl_c_interrupts_write_many_which_says_how_far_it_came(channel: str) -> None:
    with child(INTERRUPTED, channel) as writing:
        assert writing.line() == "writing"
        until(writing.sleeps)
        writing.process.send_signal(signal.SIGINT)
        written = int(writing.line())
        with kren.Reader(channel) as reader:
            assert reader.read_many(1_000_000) == numbered(written)
