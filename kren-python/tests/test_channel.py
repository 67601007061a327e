"""Writing and reading: the names users know, buffers, sizes, tags, channel names."""

import array
import gc
import string
from collections.abc import Callable

import kren
import pytest

from support import child, segment_of

CAPACITY = 64 * 1024


def test_quick_start_works_as_printed(channel: str, capsys: pytest.CaptureFixture[str]) -> None:
    writer = kren.Writer(channel, 1024 * 1024)
    writer.write(b"Hello from Python!")
    print(f"Written. Available space: {writer.available}")
    assert capsys.readouterr().out.startswith("Written. Available space: 10485")

    reader = kren.Reader(channel)
    assert reader.read() == b"Hello from Python!"
    assert reader.try_read() is None
    assert not reader.writer_closed
    assert writer.name == reader.name == channel


def test_positional_and_keyword_arguments(channel: str) -> None:
    with (
        kren.Writer(name=channel, capacity=CAPACITY, mode=0o600, alignment=64) as writer,
        kren.Reader(name=channel, timeout=0, any_owner=False, strategy="sleep") as reader,
    ):
        writer.write(b"one", 1)
        writer.write(data=b"two", timeout=1, tag=2)
        assert writer.try_write(data=b"three", tag=3)
        assert reader.read(1) == b"one"
        assert reader.read(timeout=1) == b"two"
        assert reader.read() == b"three"
        assert writer.alignment == reader.alignment == 64


def test_wrong_arguments_are_refused_as_python_refuses_them(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(b"message")
        calls: list[Callable[..., object]] = [reader.read, reader.try_read, reader.read_into]
        for call in [*calls, writer.write, writer.try_write]:
            with pytest.raises(TypeError, match=r"argument|takes no"):
                call(b"", 1, 2, 3)
            with pytest.raises(TypeError, match="argument"):
                call(timeouts=1)
        with pytest.raises(TypeError, match="argument"):
            writer.write()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="descriptor"):
            kren.Reader.read(writer)  # type: ignore[arg-type]
        # A name that is equal to "timeout", and not the same object.
        assert reader.read(**{"".join(["time", "out"]): 1}) == b"message"
        assert reader.try_read() is None


def test_messages_come_whole_and_in_order(channel: str) -> None:
    """G1: over many laps of a small ring, with every length from nothing to a page."""
    with kren.Writer(channel, 8192) as writer, kren.Reader(channel) as reader:
        for length in range(4096):
            message = bytes([length % 251]) * length
            writer.write(message, timeout=0)
            assert reader.read(timeout=0) == message


def test_message_of_nothing(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(b"")
        assert reader.available > 0
        assert reader.try_read() == b""
        assert reader.available == 0
        assert reader.try_read() is None


@pytest.mark.parametrize("capacity", [1, 4096, 1024 * 1024])
def test_largest_message(channel: str, capacity: int) -> None:
    """G2: a message may fill the ring, less its header, wherever in the ring it starts."""
    with kren.Writer(channel, capacity) as writer, kren.Reader(channel) as reader:
        assert writer.capacity == reader.capacity
        assert writer.capacity % 4096 == 0
        assert writer.max_message_len == writer.capacity - 8
        assert writer.available == writer.max_message_len
        largest = bytes(range(256)) * (writer.capacity // 256)
        for _ in range(3):
            writer.write(b"moves the start along")
            assert reader.read() == b"moves the start along"
            writer.write(largest[:-8])
            assert writer.available == 0
            assert not writer.try_write(b"")
            assert reader.read() == largest[:-8]
        with pytest.raises(kren.TooLarge, match=str(writer.max_message_len)):
            writer.write(largest[:-7])
        with pytest.raises(kren.TooLarge):
            writer.try_write(largest)
        assert reader.try_read() is None


def test_try_write_says_when_it_is_full(channel: str) -> None:
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        count = 0
        while writer.try_write(b"x" * 100):
            count += 1
        assert writer.available < 100
        assert [reader.try_read() for _ in range(count)] == [b"x" * 100] * count
        assert reader.try_read() is None
        assert writer.try_write(b"x" * 100)


def buffers() -> list[tuple[object, bytes]]:
    numbers = array.array("d", [1.5, -2.5])
    grid = memoryview(b"abcdef").cast("B", (2, 3))
    return [
        (b"bytes", b"bytes"),
        (type("Derived", (bytes,), {})(b"derived"), b"derived"),
        (bytearray(b"bytearray"), b"bytearray"),
        (bytearray(), b""),
        (memoryview(b"a view")[2:], b"view"),
        (numbers, numbers.tobytes()),
        (memoryview(numbers), numbers.tobytes()),
        (grid, b"abcdef"),
    ]


@pytest.mark.parametrize(("data", "expected"), buffers(), ids=lambda value: type(value).__name__)
def test_any_contiguous_buffer(channel: str, data: bytes, expected: bytes) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(data)
        assert writer.try_write(data)
        first = reader.read()
        assert type(first) is bytes
        assert first == reader.read() == expected


def test_numpy_arrays(channel: str) -> None:
    numpy = pytest.importorskip("numpy")
    image = numpy.arange(3 * 4 * 5, dtype="u2").reshape(3, 4, 5)
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(image)
        received = numpy.frombuffer(reader.read(), dtype="u2").reshape(3, 4, 5)
        assert (received == image).all()
        for scattered in (image[:, ::2], image.T):
            with pytest.raises(BufferError, match="ascontiguousarray"):
                writer.write(scattered)
        assert reader.try_read() is None


def test_the_buffer_is_released_after_the_write(channel: str) -> None:
    data = bytearray(b"grows")
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(data)
        data.extend(b", which an export would forbid")


def test_text_is_refused_with_advice(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        for write in (writer.write, writer.try_write):
            with pytest.raises(TypeError, match=r"encode it first.*\.encode\(\)"):
                write("text")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"bytes-like object is needed.*not int"):
                write(7)  # type: ignore[arg-type]
            with pytest.raises(BufferError, match="C-contiguous"):
                write(memoryview(b"abcdef")[::2])


def test_read_into_a_buffer(channel: str) -> None:
    buffer = bytearray(b".......")
    numbers = array.array("H", [0, 0])
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        for message in (b"first", b"", b"\1\0\2\0", b"longest", b"too long"):
            writer.write(message)
        assert reader.read_into(buffer) == 5
        assert reader.read_into(buffer, 0) == 0
        assert buffer == b"first.."
        assert reader.read_into(numbers, timeout=1) == 4
        assert numbers.tobytes() == b"\1\0\2\0"
        assert reader.read_into(memoryview(buffer)) == 7
        assert buffer == b"longest"
        with pytest.raises(ValueError, match="8 bytes and the buffer 7"):
            reader.read_into(buffer)
        assert buffer == b"longest"
        assert reader.read() == b"too long"
        with pytest.raises(kren.TimedOut):
            reader.read_into(buffer, timeout=0)


def test_read_into_needs_a_writable_buffer(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(b"message")
        for target in (b"read-only", memoryview(bytearray(64))[::2]):
            with pytest.raises(BufferError, match="writable C-contiguous"):
                reader.read_into(target)
        for unfit in ("text", None, 7):
            with pytest.raises(TypeError, match="writable C-contiguous"):
                reader.read_into(unfit)  # type: ignore[arg-type]
        assert reader.read() == b"message"


def test_a_message_there_is_no_memory_for_stays(channel: str) -> None:
    code = """
import kren, resource, sys
reader = kren.Reader(sys.argv[1])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, resource.RLIM_INFINITY))
try:
    reader.read()
except MemoryError:
    print("MemoryError", flush=True)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert reader.read() == b"x" * 2**26
assert reader.read() == b"next"
print("done", flush=True)
"""
    with kren.Writer(channel, 2**27) as writer:
        writer.write(b"x" * 2**26)
        writer.write(b"next")
        with child(code, channel) as reading:
            assert reading.line() == "MemoryError"
            assert reading.line() == "done"


def test_tags_travel_with_messages(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        assert reader.try_read_tagged() is None
        writer.write(b"default")
        writer.write(b"largest", tag=2**32 - 1)
        writer.try_write(b"tried", tag=7)
        assert reader.read_tagged() == (0, b"default")
        assert reader.read_tagged(timeout=0) == (2**32 - 1, b"largest")
        assert reader.try_read_tagged() == (7, b"tried")
        for tag in (-1, 2**32):
            with pytest.raises(ValueError, match="0 to 4294967295"):
                writer.write(b"", tag=tag)
        with pytest.raises(TypeError):
            writer.write(b"", tag="seven")  # type: ignore[arg-type]
        assert reader.try_read() is None


def test_alignment_is_kept_or_refused(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        assert writer.alignment == 8
    for alignment in (-64, 0, 7, 2**70):
        with pytest.raises(kren.InvalidOption, match="alignment"):
            kren.Writer(channel, CAPACITY, alignment=alignment)


def test_options_are_checked(channel: str) -> None:
    with pytest.raises(kren.InvalidOption, match="strategy"):
        kren.Writer(channel, CAPACITY, strategy="fast")  # type: ignore[arg-type]
    with pytest.raises(kren.InvalidOption, match="strategy"):
        kren.Reader(channel, strategy="fast")  # type: ignore[arg-type]
    with pytest.raises(kren.InvalidOption, match="mode"):
        kren.Writer(channel, CAPACITY, mode=-1)
    with pytest.raises(TypeError):
        kren.Writer(channel, "large")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        kren.Writer(b"name", CAPACITY)  # type: ignore[arg-type]
    for capacity in (-1, 0, 2**63, 2**64, 10**30):
        with pytest.raises(kren.InvalidCapacity):
            kren.Writer(channel, capacity)
    assert not segment_of(channel).exists()


def test_only_the_owner_has_access_unless_a_mode_is_given(channel: str) -> None:
    """G8."""
    with kren.Writer(channel, CAPACITY):
        assert segment_of(channel).stat().st_mode & 0o777 == 0o600
    with kren.Writer(channel, CAPACITY, mode=0o660):
        assert segment_of(channel).stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("strategy", ["adaptive", "spin", "sleep"])
def test_strategies(channel: str, strategy: kren.Strategy) -> None:
    with (
        kren.Writer(
            channel, CAPACITY, strategy=strategy, prefault=True, machine_wide=True
        ) as writer,
        kren.Reader(channel, strategy=strategy, prefault=True, machine_wide=True) as reader,
    ):
        writer.write(b"message")
        assert reader.read(timeout=5) == b"message"
        with pytest.raises(kren.TimedOut):
            reader.read(timeout=0.01)


def test_names_with_every_allowed_character() -> None:
    for name in (string.ascii_letters, string.digits + "._-", "a", "n" * 128):
        with kren.Writer(name, 4096) as writer, kren.Reader(name) as reader:
            writer.write(name.encode())
            assert reader.read() == name.encode()
            assert writer.name == reader.name == name
        assert not segment_of(name).exists()


@pytest.mark.parametrize(
    "name",
    ["", "n" * 129, "a/b", "../up", "a b", "tab\t", "nul\0", "grüße", "\udcff", "a\n"],
)
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(kren.InvalidName):
        kren.Writer(name, 4096)
    with pytest.raises(kren.InvalidName):
        kren.Reader(name)


def test_a_new_writer_goes_on_unless_asked_for_a_fresh_channel(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(b"first")
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(b"second")
    with kren.Reader(channel) as reader:
        assert list(reader) == [b"first", b"second"]

    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(b"discarded")
    with pytest.raises(kren.CapacityMismatch, match="1 undelivered"):
        kren.Writer(channel, 2 * CAPACITY)
    with kren.Writer(channel, 2 * CAPACITY, fresh=True) as writer:
        writer.write(b"kept")
        assert writer.capacity == 2 * CAPACITY
    with kren.Reader(channel) as reader:
        assert list(reader) == [b"kept"]


def test_states_of_the_other_side(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        states: list[str] = [writer.reader_state]
        reader = kren.Reader(channel)
        states += [writer.reader_state, reader.writer_state]
        assert states == ["never_attached", "attached", "attached"]
        assert not reader.writer_closed
        writer.write(b"left behind")
    assert reader.writer_state == "closed"
    assert reader.writer_closed
    assert reader.read() == b"left behind"
    with kren.Writer(channel, CAPACITY) as writer:
        states = [writer.reader_state, reader.writer_state]
        reader.close()
        assert [*states, writer.reader_state] == ["attached", "attached", "closed"]


def test_flush_waits_for_the_reader(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.flush(timeout=0)
        writer.write(b"message")
        for flush in (writer.flush, writer.drain):
            with pytest.raises(kren.TimedOut):
                flush(timeout=0.01)
        reader.read()
        writer.flush(timeout=0)
        writer.drain()
        writer.write(b"message")
        reader.close()
        with pytest.raises(kren.Closed):
            writer.flush()


def test_iteration_ends_with_the_channel(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        for number in range(100):
            writer.write(b"%d" % number)
    with kren.Reader(channel) as reader:
        assert iter(reader) is reader
        assert next(reader) == b"0"
        assert [int(message) for message in reader] == list(range(1, 100))
        assert list(reader) == []
        assert reader.writer_closed


def test_nothing_is_left_when_both_are_closed(channel: str) -> None:
    writer = kren.Writer(channel, CAPACITY)
    writer.write(b"message")
    reader = kren.Reader(channel)
    reader.read()
    writer.close()
    assert segment_of(channel).exists()
    reader.close()
    assert not segment_of(channel).exists()


def test_undelivered_messages_outlive_both(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(b"one")
        writer.write(b"two")
        with kren.Reader(channel) as reader:
            assert reader.read() == b"one"
    with kren.Reader(channel) as reader:
        assert list(reader) == [b"two"]
    assert not segment_of(channel).exists()


def test_endpoints_close_when_they_are_collected(channel: str) -> None:
    writer = kren.Writer(channel, CAPACITY)
    reader = kren.Reader(channel)
    writer.write(b"message")
    del writer
    gc.collect()
    assert reader.writer_state == "closed"
    assert reader.read() == b"message"
    del reader
    gc.collect()
    assert not segment_of(channel).exists()


def test_with_closes_also_after_an_exception(channel: str) -> None:
    with pytest.raises(ZeroDivisionError), kren.Writer(channel, CAPACITY) as writer:
        raise ZeroDivisionError
    assert writer.closed


def test_repr(channel: str) -> None:
    writer = kren.Writer(channel, CAPACITY)
    reader = kren.Reader(channel)
    assert repr(writer) == f"<kren.Writer '{channel}' capacity={CAPACITY} open>"
    assert repr(reader) == f"<kren.Reader '{channel}' capacity={CAPACITY} open>"
    writer.close()
    reader.close()
    assert repr(writer) == f"<kren.Writer '{channel}' capacity={CAPACITY} closed>"
    assert repr(reader) == f"<kren.Reader '{channel}' capacity={CAPACITY} closed>"


def test_everything_public_is_documented() -> None:
    assert kren.__doc__ is not None
    for kind in (kren.Writer, kren.Reader):
        assert kind.__module__ == "kren"
        for name in dir(kind):
            if not name.startswith("_"):
                assert getattr(kind, name).__doc__, f"{kind.__name__}.{name} has no docstring"
    for name in set(kren.__all__) - {"Start", "Strategy", "__version__"}:
        assert getattr(kren, name).__doc__, f"{name} has no docstring"
