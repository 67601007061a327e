"""Every argument of every call, given what it cannot be: the error names it, in the right class.

And other objects' own exceptions, raised in the middle of a call: they come out as they are.
"""

import array
import decimal
import fractions
import io
import mmap
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kren
import numpy
import pytest

from support import child

CAPACITY = 4096

Use = Callable[[kren.Writer, kren.Reader, Any], object]

TIMEOUTS: dict[str, Use] = {
    "write": lambda w, r, x: w.write(b"", x),
    "write_many": lambda w, r, x: w.write_many([], x),
    "reserve": lambda w, r, x: w.reserve(1, x),
    "flush": lambda w, r, x: w.flush(x),
    "read": lambda w, r, x: r.read(x),
    "read_tagged": lambda w, r, x: r.read_tagged(x),
    "read_into": lambda w, r, x: r.read_into(bytearray(1), x),
    "read_many": lambda w, r, x: r.read_many(1, x),
    "borrow": lambda w, r, x: r.borrow(x),
    "wait_for_writer": lambda w, r, x: r.wait_for_writer(x),
    "Reader": lambda w, r, x: kren.Reader("missing", timeout=x),
}

NUMBERS: dict[str, tuple[str, Use]] = {
    "commit": ("length", lambda w, r, x: slot_of(w).commit(x)),
    "reserve": ("length", lambda w, r, x: w.reserve(x)),
    "read_many": ("max", lambda w, r, x: r.read_many(x)),
    "write": ("tag", lambda w, r, x: w.write(b"", tag=x)),
    "try_write": ("tag", lambda w, r, x: w.try_write(b"", tag=x)),
    "reserve, tagged": ("tag", lambda w, r, x: w.reserve(1, tag=x)),
    "capacity": ("capacity", lambda w, r, x: kren.Writer("other", x)),
    "mode": ("mode", lambda w, r, x: kren.Writer("other", CAPACITY, mode=x)),
    "alignment": ("alignment", lambda w, r, x: kren.Writer("other", CAPACITY, alignment=x)),
}

TEXTS: dict[str, tuple[str, Use]] = {
    "Writer": ("name", lambda w, r, x: kren.Writer(x, CAPACITY)),
    "Reader": ("name", lambda w, r, x: kren.Reader(x)),
    "Writer, strategy": ("strategy", lambda w, r, x: kren.Writer("other", CAPACITY, strategy=x)),
    "Reader, strategy": ("strategy", lambda w, r, x: kren.Reader("other", strategy=x)),
    "Reader, start": ("start", lambda w, r, x: kren.Reader("other", start=x)),
}

BUFFERS: dict[str, Use] = {
    "write": lambda w, r, x: w.write(x),
    "try_write": lambda w, r, x: w.try_write(x),
    "write, tagged": lambda w, r, x: w.write(x, tag=1),
    "write_many": lambda w, r, x: w.write_many([x]),
    "a slice of a slot": lambda w, r, x: slot_of(w).__setitem__(slice(0, 4), x),
}

TARGETS: dict[str, Use] = {
    "read_into": lambda w, r, x: r.read_into(x),
    "read_into, timed": lambda w, r, x: r.read_into(x, 0),
    "read_into, by name": lambda w, r, x: r.read_into(buffer=x),
}


def slot_of(writer: kren.Writer) -> kren.Slot:
    return writer.reserve(8)


@contextmanager
def both(channel: str) -> Iterator[tuple[kren.Writer, kren.Reader]]:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        yield writer, reader
        # Whatever was refused has changed nothing.
        writer.write(b"after")
        assert reader.read() == b"after"
        assert reader.try_read() is None


class Odd:
    """A number whose own code fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __index__(self) -> int:
        raise self.error

    def __float__(self) -> float:
        raise self.error


OWN_ERRORS = [
    KeyboardInterrupt("mine"),
    MemoryError("mine"),
    SystemExit("mine"),
    RuntimeError("mine"),
    TypeError("mine"),
    ValueError("mine"),
    OSError("mine"),
]


@pytest.mark.parametrize("call", TIMEOUTS)
def test_what_is_no_timeout(channel: str, call: str) -> None:
    with both(channel) as (writer, reader):
        for odd in ("soon", b"1", True, [], 1j, object(), numpy.array([1.0, 2.0])):
            with pytest.raises(TypeError, match=r"timeout|size|scalar"):
                TIMEOUTS[call](writer, reader, odd)
        for odd in (-1, -0.001, float("nan"), float("-inf"), -(10**400), decimal.Decimal(-1)):
            with pytest.raises(ValueError, match="timeout"):
                TIMEOUTS[call](writer, reader, odd)
        for error in OWN_ERRORS:
            with pytest.raises(type(error), match="mine"):
                TIMEOUTS[call](writer, reader, Odd(error))


def test_what_is_a_timeout(channel: str) -> None:
    long: Any
    with both(channel) as (writer, reader):
        for zero in (0, 0.0, -0.0, numpy.float32(0), decimal.Decimal(0), fractions.Fraction(0)):
            with pytest.raises(kren.TimedOut):
                reader.read(zero)  # type: ignore[arg-type]
        for long in (10**400, float("inf"), 1e300, sys.maxsize, numpy.int64(5), None):
            writer.write(b"there", long)
            assert reader.read(long) == b"there"


@pytest.mark.parametrize("call", NUMBERS)
def test_what_is_no_whole_number(channel: str, call: str) -> None:
    argument, use = NUMBERS[call]
    with both(channel) as (writer, reader):
        for odd in (1.0, 1e6, "1", b"1", [], 1j, decimal.Decimal(1), object()):
            with pytest.raises(TypeError, match=argument):
                use(writer, reader, odd)
        with pytest.raises(TypeError, match=r"int\(1000000.0\)"):
            use(writer, reader, 1e6)
        if argument != "max":
            with pytest.raises(ValueError, match=rf"{argument}|capacity"):
                use(writer, reader, 2**70)
        for odd in (-1, -(2**70), -(10**5000)):
            with pytest.raises(ValueError, match=rf"{argument}|capacity") as caught:
                use(writer, reader, odd)
            if call in ("capacity", "mode", "alignment"):
                assert isinstance(caught.value, kren.KrenError)
        for error in OWN_ERRORS:
            with pytest.raises(type(error), match="mine"):
                use(writer, reader, Odd(error))


def test_what_is_a_whole_number(channel: str) -> None:
    one: Any
    with both(channel) as (writer, reader):
        for one in (1, True, numpy.int8(1), numpy.uint64(1)):
            writer.write(b"x", tag=one)
            assert reader.read_tagged() == (1, b"x")
            writer.reserve(one).commit(one)
            assert len(reader.read_many(one)) == 1
        for many in (2**63, 2**64, 2**70, 10**5000):
            writer.write(b"x")
            assert reader.read_many(many) == [b"x"]


@pytest.mark.parametrize("call", TEXTS)
def test_what_is_no_text(channel: str, call: str) -> None:
    argument, use = TEXTS[call]
    with both(channel) as (writer, reader):
        for odd in (b"bytes", 1, [], object()):
            with pytest.raises(TypeError, match=argument):
                use(writer, reader, odd)
        for odd in ("\ud800", "", "a\0b", "x" * 200, "Ädäptive"):
            with pytest.raises(ValueError, match=argument) as caught:
                use(writer, reader, odd)
            assert isinstance(caught.value, kren.InvalidName | kren.InvalidOption)


@pytest.mark.parametrize("option", ["fresh", "any_owner", "prefault", "machine_wide"])
def test_what_is_no_switch(channel: str, option: str) -> None:
    odd: Any
    for odd in (1, "yes", None, []):
        with pytest.raises(TypeError, match=option):
            kren.Writer(channel, CAPACITY, **{option: odd})


@pytest.mark.parametrize("option", ["live", "any_owner", "prefault", "machine_wide"])
def test_what_is_no_switch_of_a_reader(channel: str, option: str) -> None:
    odd: Any
    for odd in (1, "yes", None, []):
        with pytest.raises(TypeError, match=option):
            kren.Reader(channel, **{option: odd})


def released(buffer: Any) -> memoryview:
    view = memoryview(buffer)
    view.release()
    return view


@pytest.mark.parametrize("call", BUFFERS)
def test_what_is_no_message(channel: str, call: str) -> None:
    use = BUFFERS[call]
    with both(channel) as (writer, reader):
        with pytest.raises(TypeError, match="encode"):
            use(writer, reader, "text")
        for odd in (None, 1, 1.5, [b"x"], object(), io.BytesIO()):
            with pytest.raises(TypeError, match="bytes-like"):
                use(writer, reader, odd)
        matrix = numpy.arange(16, dtype="u1").reshape(4, 4)
        for strided in (memoryview(bytes(8))[::2], matrix[:, :1], matrix.T[:1]):
            with pytest.raises(BufferError, match="C-contiguous"):
                use(writer, reader, strided)
        with pytest.raises(ValueError, match="released memoryview"):
            use(writer, reader, released(b"1234"))
        gone = mmap.mmap(-1, 4)
        gone.close()
        with pytest.raises(ValueError, match="mmap closed"):
            use(writer, reader, gone)
        writer.write(b"lent")
        lease = reader.borrow()
        lease.release()
        with pytest.raises(ValueError, match="this message was released"):
            use(writer, reader, lease)


@pytest.mark.parametrize("call", TARGETS)
def test_what_cannot_be_read_into(channel: str, call: str) -> None:
    use = TARGETS[call]
    with both(channel) as (writer, reader):
        writer.write(b"1234")
        for odd in (None, "text", 1, object()):
            with pytest.raises(TypeError, match="writable C-contiguous"):
                use(writer, reader, odd)
        frozen = numpy.zeros(8, "u1")
        frozen.flags.writeable = False
        for odd in (b"12345678", memoryview(bytearray(16))[::2], frozen, memoryview(b"12345678")):
            with pytest.raises(BufferError, match="writable C-contiguous"):
                use(writer, reader, odd)
        with pytest.raises(ValueError, match="released memoryview"):
            use(writer, reader, released(bytearray(8)))
        with pytest.raises(ValueError, match="has 4 bytes and the buffer 3"):
            use(writer, reader, bytearray(3))
        numbers = array.array("i", [0, 0])
        assert use(writer, reader, numbers) == 4
        assert numbers.tobytes() == b"1234\0\0\0\0"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes have __buffer__ from 3.12 on")
@pytest.mark.parametrize("error", OWN_ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", BUFFERS | TARGETS)
def test_what_a_buffers_own_code_raises(channel: str, call: str, error: BaseException) -> None:
    class Exporter:
        def __buffer__(self, flags: int) -> memoryview:
            raise error

    with both(channel) as (writer, reader), pytest.raises(type(error), match="mine"):
        (BUFFERS | TARGETS)[call](writer, reader, Exporter())


EXPORTER = """
import ctypes, kren, sys

class Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]

class Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("basicsize", ctypes.c_int), ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint), ("slots", ctypes.POINTER(Slot)),
    ]

# Python calls the first slot, Py_bf_getbuffer, with (object, view, flags). This function of
# Python's own looks at the object alone, calls its fileno(), and returns -1 with what that raised.
fail = ctypes.cast(ctypes.pythonapi.PyObject_AsFileDescriptor, ctypes.c_void_p)
slots = (Slot * 2)(Slot(1, fail), Slot(0, None))
spec = Spec(b"kren_test.Exporter", object.__basicsize__, 0, 1 << 18 | 1 << 10, slots)
make = ctypes.pythonapi.PyType_FromSpec
make.restype, make.argtypes = ctypes.py_object, [ctypes.POINTER(Spec)]

class Exporter(make(spec)):
    def fileno(self):
        raise errors.pop(0)

exporter = Exporter()

with kren.Writer(sys.argv[1], 4096) as writer, kren.Reader(sys.argv[1]) as reader:
    writer.write(b"there")
    calls = [
        lambda: writer.write(exporter), lambda: writer.try_write(exporter),
        lambda: writer.write_many([exporter]), lambda: reader.read_into(exporter),
        lambda: reader.read_into(exporter, timeout=0),
    ]
    for call in calls:
        for kind in (KeyboardInterrupt, MemoryError, SystemExit, OSError, ZeroDivisionError):
            # Asked again, it would raise something else: whoever asks twice loses the first.
            errors = [kind, LookupError, LookupError]
            try:
                call()
            except kind:
                continue
            except BaseException as error:
                print("lost", kind, repr(error))
    assert reader.read() == b"there"
print("done", flush=True)
"""


def test_what_a_buffer_of_c_raises(channel: str) -> None:
    """KeyboardInterrupt and MemoryError among them, which are no matter of buffers."""
    with child(EXPORTER, channel) as trying:
        assert trying.line() == "done"
        assert trying.end() == 0


def test_what_an_iterable_raises_says_how_many_were_written(channel: str) -> None:
    def messages(error: BaseException) -> Iterator[bytes]:
        yield b"1"
        yield b"2"
        raise error

    class Bare(Exception):
        @property
        def written(self) -> int:
            return 7

    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        for error in OWN_ERRORS:
            with pytest.raises(type(error), match="mine") as caught:
                writer.write_many(messages(error))
            assert caught.value.written == 2  # type: ignore[attr-defined]
            assert reader.read_many() == [b"1", b"2"]
        with pytest.raises(Bare):
            writer.write_many(messages(Bare()))
        assert reader.read_many() == [b"1", b"2"]


HANDLER = """
import kren, signal, sys
writer, reader = kren.Writer(sys.argv[1], 4096), kren.Reader(sys.argv[1])
calls = {"read": reader.read, "write": lambda: writer.write(b"x" * 4000), "flush": writer.flush}
def handler(*_):
    try:
        calls[sys.argv[2]]()
    except kren.Busy as error:
        print(error, flush=True)
        sys.exit(0)
if sys.argv[2] != "read":
    writer.write(b"x" * 4000)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
calls[sys.argv[2]]()
"""


@pytest.mark.parametrize("call", ["read", "write", "flush"])
def test_a_signal_handler_that_calls_again_is_told_so(channel: str, call: str) -> None:
    with child(HANDLER, channel, call) as interrupted:
        text = interrupted.line()
        assert "signal handler" in text
        assert "another thread" not in text
        assert channel in text
        assert interrupted.end() == 0
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
