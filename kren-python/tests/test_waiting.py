"""Waiting beside others: the GIL, threads, signals, Ctrl-C, closing under a waiting call."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import kren
import pytest

from support import PATIENCE, child, until

CAPACITY = 4096


@contextmanager
def in_thread(call: Callable[[], object]) -> Iterator[list[object]]:
    """Run `call` in a thread; the list gets what it returns or raises, once the block has ended."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(call())
        except kren.KrenError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def is_busy(use: Callable[[], object]) -> Callable[[], bool]:
    def busy() -> bool:
        try:
            use()
        except kren.Busy:
            return True
        return False

    return busy


def test_a_waiting_reader_lets_other_threads_run(channel: str) -> None:
    """With the GIL held this thread could never write what that one waits for."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with in_thread(reader.read) as outcome:
            until(is_busy(lambda: reader.available))
            writer.write(b"message")
        assert outcome == [b"message"]


def test_a_waiting_writer_lets_other_threads_run(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        largest = bytes(writer.max_message_len)
        writer.write(largest)
        with in_thread(lambda: writer.write(b"waits")) as outcome:
            until(is_busy(lambda: writer.available))
            assert reader.read() == largest
        assert outcome == [None]
        assert reader.read() == b"waits"


def test_a_flushing_writer_lets_other_threads_run(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(b"message")
        with in_thread(writer.flush) as outcome:
            until(is_busy(lambda: writer.available))
            assert reader.read() == b"message"
        assert outcome == [None]


def test_a_second_thread_is_refused_and_the_first_not_disturbed(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with in_thread(reader.read) as outcome:
            until(is_busy(lambda: reader.available))
            uses: list[Callable[[], object]] = [
                reader.read,
                reader.try_read,
                reader.read_tagged,
                lambda: next(reader),
                lambda: reader.writer_closed,
            ]
            for use in uses:
                with pytest.raises(kren.Busy, match=channel):
                    use()
            assert reader.name == channel
            assert reader.capacity == CAPACITY
            assert not reader.closed
            assert "open" in repr(reader)
            writer.write(b"message")
        assert outcome == [b"message"]


def test_threads_may_take_turns(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        for number in range(20):
            writer.write(b"%d" % number)
            with in_thread(reader.read) as outcome:
                pass
            assert outcome == [b"%d" % number]


@pytest.mark.parametrize("call", ["read", "write", "flush"])
def test_close_ends_a_call_that_another_thread_waits_in(channel: str, call: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        waits: dict[str, tuple[kren.Writer | kren.Reader, Callable[[], object]]] = {
            "read": (reader, reader.read),
            "write": (writer, lambda: writer.write(b"")),
            "flush": (writer, writer.flush),
        }
        endpoint, wait = waits[call]
        if call != "read":
            writer.write(bytes(writer.max_message_len))
        with in_thread(wait) as outcome:
            until(is_busy(lambda: endpoint.available))
            endpoint.close()
        assert [type(error) for error in outcome] == [kren.EndpointClosed]
        # What close() promises holds already: the role is free again.
        if endpoint is reader:
            kren.Reader(channel).close()
        else:
            kren.Writer(channel, CAPACITY).close()


def test_messages_between_threads_arrive_in_order(channel: str) -> None:
    """Both sides wait for each other all the time: the ring holds one message."""
    count = 2000
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        size = CAPACITY // 2

        def write_all() -> None:
            for number in range(count):
                writer.write(number.to_bytes(4, "little").ljust(size, b"."))
            writer.close()

        with in_thread(write_all):
            numbers = [int.from_bytes(message[:4], "little") for message in reader]
        assert numbers == list(range(count))


INTERRUPTED = """
import kren, signal, sys
{setup}
before = signal.getsignal(signal.SIGINT)
try:
    print("waits", flush=True)
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler
{after}
"""


def interrupt(code: str, channel: str, go_on: Callable[[], None]) -> None:
    with child(code, channel) as waiting:
        assert waiting.line() == "waits"
        until(waiting.sleeps)
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        go_on()
        assert waiting.line() == "done"
        assert waiting.end() == 0


@pytest.mark.parametrize("wait", ["reader.read()", "reader.read(timeout=60)", "next(reader)"])
def test_ctrl_c_interrupts_a_read_and_loses_no_message(channel: str, wait: str) -> None:
    code = INTERRUPTED.format(
        setup="reader = kren.Reader(sys.argv[1])",
        wait=wait,
        after="assert reader.read() == b'after'; print('done')",
    )
    with kren.Writer(channel, CAPACITY) as writer:
        interrupt(code, channel, lambda: writer.write(b"after"))


@pytest.mark.parametrize("wait", ["writer.write(b'')", "writer.flush()", "writer.flush(60)"])
def test_ctrl_c_interrupts_a_write_which_then_has_written_nothing(channel: str, wait: str) -> None:
    code = INTERRUPTED.format(
        setup="writer = kren.Writer(sys.argv[1], 4096); writer.write(bytes(4088))",
        wait=wait,
        after="writer.write(b'after', timeout=60); writer.flush(); print('done')",
    )

    def read_all() -> None:
        with kren.Reader(channel) as reader:
            assert reader.read() == bytes(4088)
            assert reader.read() == b"after"

    interrupt(code, channel, read_all)


def test_ctrl_c_interrupts_the_search_for_a_channel(channel: str) -> None:
    code = INTERRUPTED.format(
        setup="", wait="kren.Reader(sys.argv[1], timeout=None)", after="print('done')"
    )
    with child(code, channel) as waiting:
        assert waiting.line() == "waits"
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        assert waiting.line() == "done"
        assert waiting.end() == 0


HANDLED = """
import kren, signal, sys
reader = kren.Reader(sys.argv[1])

def handler(number, frame):
    try:
        reader.try_read()
    except kren.Busy:
        print("handled", flush=True)

signal.signal(signal.SIGUSR1, handler)
print("waits", flush=True)
print(reader.read().decode(), flush=True)
assert signal.getsignal(signal.SIGUSR1) is handler
"""


def test_signal_handlers_run_during_a_wait_and_do_not_end_it(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, child(HANDLED, channel) as waiting:
        assert waiting.line() == "waits"
        until(waiting.sleeps)
        for _ in range(3):
            waiting.process.send_signal(signal.SIGUSR1)
            assert waiting.line() == "handled"
        writer.write(b"message")
        assert waiting.line() == "message"
        assert waiting.end() == 0


CLOSED_BY_HANDLER = """
import kren, signal, sys
reader = kren.Reader(sys.argv[1])
signal.signal(signal.SIGUSR1, lambda number, frame: reader.close())
print("waits", flush=True)
try:
    reader.read()
except kren.EndpointClosed:
    print("closed", flush=True)
kren.Reader(sys.argv[1]).close()
"""


def test_a_signal_handler_may_close_the_endpoint_it_interrupts(channel: str) -> None:
    with kren.Writer(channel, CAPACITY), child(CLOSED_BY_HANDLER, channel) as waiting:
        assert waiting.line() == "waits"
        until(waiting.sleeps)
        waiting.process.send_signal(signal.SIGUSR1)
        assert waiting.line() == "closed"
        assert waiting.end() == 0


IN_A_THREAD = """
import kren, sys, threading
reader = kren.Reader(sys.argv[1])
received = []
done = threading.Event()

def read():
    received.append(reader.read())
    done.set()

threading.Thread(target=read).start()
try:
    print("waits", flush=True)
    done.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
done.wait()
print(received[0].decode(), flush=True)
"""


def test_a_wait_in_another_thread_leaves_ctrl_c_to_the_main_thread(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, child(IN_A_THREAD, channel) as waiting:
        assert waiting.line() == "waits"
        until(waiting.sleeps)
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        writer.write(b"message")
        assert waiting.line() == "message"
        assert waiting.end() == 0


ENDS_WHILE_WAITING = """
import kren, sys, threading
reader = kren.Reader(sys.argv[1])
threading.Thread(target=reader.read, daemon=True).start()
while True:
    try:
        reader.available
    except kren.Busy:
        break
"""


def test_a_process_may_end_while_a_daemon_thread_waits(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        with child(ENDS_WHILE_WAITING, channel) as ending:
            assert ending.end() == 0
        assert writer.reader_state == "closed"
