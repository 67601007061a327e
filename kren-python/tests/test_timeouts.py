"""`timeout=`: what is one, what is none, and that it ends waits."""

import threading

import kren
import pytest

from support import child

CAPACITY = 4096


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (True, TypeError),
        (False, TypeError),
        ("1", TypeError),
        (b"1", TypeError),
        (1j, TypeError),
        (-1, ValueError),
        (-0.001, ValueError),
        (float("-inf"), ValueError),
        (float("nan"), ValueError),
    ],
)
def test_what_is_no_timeout_is_refused(
    channel: str, timeout: float, error: type[Exception]
) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with pytest.raises(error, match="timeout"):
            writer.write(b"", timeout)
        with pytest.raises(error, match="timeout"):
            writer.flush(timeout)
        with pytest.raises(error, match="timeout"):
            reader.read(timeout)
        with pytest.raises(error, match="timeout"):
            reader.read_tagged(timeout)
        with pytest.raises(error, match="timeout"):
            kren.Reader(channel, timeout=timeout)
        with pytest.raises(error, match="timeout"):
            writer.write(b"", timeout=timeout)
        with pytest.raises(error, match="timeout"):
            writer.write_many([b""], timeout)
        with pytest.raises(error, match="timeout"):
            writer.reserve(1, timeout)
        assert reader.try_read() is None
        # Also where there is nothing to wait for.
        writer.write(b"here")
        for read in (reader.read, reader.read_tagged, reader.borrow):
            with pytest.raises(error, match="timeout"):
                read(timeout)
            with pytest.raises(error, match="timeout"):
                read(timeout=timeout)
        with pytest.raises(error, match="timeout"):
            reader.read_into(bytearray(9), timeout)
        with pytest.raises(error, match="timeout"):
            reader.read_many(1, timeout)
        assert reader.read() == b"here"


@pytest.mark.parametrize("timeout", [None, float("inf"), 1e300, 10**40, 3, 0.5])
def test_what_is_a_timeout(channel: str, timeout: float | None) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(b"message", timeout)
        with kren.Reader(channel, timeout=timeout) as reader:
            assert reader.read(timeout) == b"message"
            writer.flush(timeout)


@pytest.mark.parametrize("timeout", [0, 0.0, 1e-12, 0.02])
def test_waits_time_out(channel: str, timeout: float) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with pytest.raises(kren.TimedOut, match=channel):
            reader.read(timeout)
        largest = bytes(writer.max_message_len)
        writer.write(largest)
        with pytest.raises(TimeoutError):
            writer.write(b"", timeout)
        with pytest.raises(kren.TimedOut):
            writer.flush(timeout)
        assert reader.read() == largest


def test_a_message_that_is_there_needs_no_time(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(b"message", timeout=0)
        assert reader.read(timeout=0) == b"message"


def test_the_channel_never_comes(channel: str) -> None:
    for timeout in (0, 0.02, 0.25):
        with pytest.raises(kren.NotFound):
            kren.Reader(channel, timeout=timeout)


@pytest.mark.parametrize("timeout", ["30", "None"])
def test_a_reader_may_come_before_its_channel(channel: str, timeout: str) -> None:
    code = f"""
import kren, sys
print("looking", flush=True)
with kren.Reader(sys.argv[1], timeout={timeout}) as reader:
    print(reader.read().decode())
"""
    with child(code, channel) as reading:
        assert reading.line() == "looking"
        with kren.Writer(channel, CAPACITY) as writer:
            writer.write(b"came later")
            assert reading.line() == "came later"
            assert reading.end() == 0


def test_looking_for_a_channel_lets_other_threads_run(channel: str) -> None:
    writers = []
    thread = threading.Thread(target=lambda: writers.append(kren.Writer(channel, CAPACITY)))

    def start() -> kren.Reader:
        thread.start()
        return kren.Reader(channel, timeout=30)

    with start() as reader:
        thread.join()
        writers[0].write(b"message")
        assert reader.read() == b"message"
        writers[0].close()
