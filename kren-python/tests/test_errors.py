"""The exception tree, and which error comes when."""

import copy
import errno
import os
import pickle
import shutil
from collections.abc import Callable

import kren
import pytest
from kren import _kren
from kren._kren import error_of

from support import segment_of

CAPACITY = 4096

BUILTINS: dict[str, type[Exception]] = {
    "NOT_FOUND": FileNotFoundError,
    "WRITER_EXISTS": OSError,
    "READER_EXISTS": OSError,
    "FULL": BlockingIOError,
    "EMPTY": BlockingIOError,
    "TIMED_OUT": TimeoutError,
    "CLOSED": BrokenPipeError,
    "PEER_DIED": BrokenPipeError,
    "TOO_LARGE": ValueError,
    "INVALID_NAME": ValueError,
    "INVALID_CAPACITY": ValueError,
    "CAPACITY_MISMATCH": ValueError,
    "PERMISSION_DENIED": PermissionError,
    "OUT_OF_MEMORY": OSError,
    "CORRUPT": OSError,
    "VERSION_MISMATCH": RuntimeError,
    "FORKED": RuntimeError,
    "INTERRUPTED": InterruptedError,
    "IO": OSError,
    "BUSY": RuntimeError,
    "INVALID_OPTION": ValueError,
    "REMOVED": BrokenPipeError,
    "LAGGED": RuntimeError,
    "EVICTED": RuntimeError,
    "NO_SERVER": ConnectionRefusedError,
    "SERVER_DIED": ConnectionResetError,
    "CANCELLED": RuntimeError,
    "REMOTE": RuntimeError,
    "SCHEMA_MISMATCH": ValueError,
    "NOT_AN_ARRAY": ValueError,
    "WRONG_KIND": ValueError,
    "NO_SEAT": OSError,
}


def class_of(code_name: str) -> type[kren.KrenError]:
    found = getattr(kren, code_name.title().replace("_", ""))
    assert isinstance(found, type)
    assert issubclass(found, kren.KrenError)
    return found


def test_the_tree_has_a_class_for_every_code_of_the_core() -> None:
    table = _kren.error_codes()
    assert {name for _, name in table} == set(BUILTINS)
    for code, name in table:
        kind = class_of(name)
        assert (kind.code, kind.code_name) == (code, name)
        assert kind.__module__ == "kren"
        assert kind.__name__ in kren.__all__
        assert type(error_of(code, name, "text", "channel", None)) is kind


@pytest.mark.parametrize(("code_name", "builtin"), BUILTINS.items())
def test_classes_are_also_the_builtin_and_survive_pickling(
    code_name: str, builtin: type[Exception]
) -> None:
    kind = class_of(code_name)
    assert issubclass(kind, builtin)
    error = kind("what happened", "some_channel")
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(same) is kind
        assert str(same) == "what happened"
        assert same.args == ("what happened",)
        assert same.channel == "some_channel"
    if isinstance(error, OSError) and kind is not kren.Io:
        assert error.errno is not None


def test_an_error_newer_than_the_package() -> None:
    error = error_of(999, "FROM_THE_FUTURE", "text", "channel", None)
    assert type(error) is kren.KrenError
    assert (error.code, error.code_name) == (999, "FROM_THE_FUTURE")
    assert kren.KrenError.code == 0


def test_an_error_of_the_system_has_its_errno() -> None:
    error = error_of(kren.Io.code, "IO", "text", "channel", 28)
    assert isinstance(error, kren.Io)
    assert error.errno == 28
    assert str(error) == "text"


def test_errors_carry_code_name_and_channel(channel: str) -> None:
    with pytest.raises(kren.NotFound) as caught:
        kren.Reader(channel)
    error = caught.value
    assert (error.code, error.code_name, error.channel) == (1, "NOT_FOUND", channel)
    assert channel in str(error)
    assert isinstance(error, FileNotFoundError)


def test_a_second_writer_and_reader_are_refused(channel: str) -> None:
    """G5, within one process."""
    with kren.Writer(channel, CAPACITY), kren.Reader(channel):
        with pytest.raises(kren.WriterExists, match="pid"):
            kren.Writer(channel, CAPACITY)
        with pytest.raises(kren.ReaderExists, match="pid"):
            kren.Reader(channel)


def test_the_other_side_has_closed(channel: str) -> None:
    """G4: a clean close, and only after everything was read."""
    writer = kren.Writer(channel, CAPACITY)
    reader = kren.Reader(channel)
    writer.write(b"last")
    writer.close()
    assert reader.read() == b"last"
    for read in (reader.read, reader.read_tagged):
        with pytest.raises(kren.Closed) as caught:
            read()
        assert type(caught.value) is kren.Closed
    assert reader.try_read() is None


def test_a_full_ring_whose_reader_has_closed(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer:
        kren.Reader(channel).close()
        while writer.try_write(bytes(100)):
            pass
        with pytest.raises(kren.Closed):
            writer.write(bytes(100))


def test_use_of_a_closed_endpoint(channel: str) -> None:
    writer = kren.Writer(channel, CAPACITY)
    reader = kren.Reader(channel)
    for endpoint in (writer, reader):
        assert not endpoint.closed
        endpoint.close()
        endpoint.close()
        assert endpoint.closed
        assert endpoint.name == channel
        assert endpoint.capacity == CAPACITY
        assert endpoint.alignment == 8
    assert writer.max_message_len == CAPACITY - 8
    uses: list[Callable[[], object]] = [
        lambda: writer.write(b""),
        lambda: writer.try_write(b""),
        writer.flush,
        lambda: writer.available,
        lambda: writer.reader_state,
        reader.read,
        reader.try_read,
        reader.read_tagged,
        lambda: reader.available,
        lambda: reader.writer_closed,
        lambda: reader.writer_state,
        lambda: next(reader),
    ]
    for use in uses:
        with pytest.raises(kren.EndpointClosed) as caught:
            use()
        assert isinstance(caught.value, kren.Closed)
        assert isinstance(caught.value, ValueError)
        assert caught.value.channel == channel


def test_shared_memory_that_is_not_there(channel: str) -> None:
    """G6: at creation, as the error of a full file system, and nothing is left behind."""
    too_much = shutil.disk_usage(segment_of(channel).parent).total + 2**30
    with pytest.raises(kren.OutOfMemory, match=channel) as caught:
        kren.Writer(channel, too_much)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.ENOSPC
    assert not segment_of(channel).exists()


def test_bytes_that_are_no_channel(channel: str) -> None:
    """G7: refused by both sides, and made anew only on request."""
    segment_of(channel).write_bytes(b"\xff" * 16384)
    segment_of(channel).chmod(0o600)
    with pytest.raises(kren.Corrupt):
        kren.Reader(channel)
    with pytest.raises(kren.Corrupt):
        kren.Writer(channel, CAPACITY)
    with kren.Writer(channel, CAPACITY, fresh=True) as writer, kren.Reader(channel) as reader:
        writer.write(b"message")
        assert reader.read() == b"message"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_channel_of_another_user_is_refused_unless_asked_for(channel: str) -> None:
    """G8."""
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(b"message")
    os.chown(segment_of(channel), 12345, 12345)
    with pytest.raises(kren.PermissionDenied) as caught:
        kren.Reader(channel)
    assert isinstance(caught.value, PermissionError)
    with pytest.raises(kren.PermissionDenied):
        kren.Writer(channel, CAPACITY)
    with (
        kren.Writer(channel, CAPACITY, any_owner=True),
        kren.Reader(channel, any_owner=True) as reader,
    ):
        assert reader.read() == b"message"


def test_endpoints_cannot_be_pickled(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        for endpoint in (writer, reader):
            with pytest.raises(TypeError, match=f"'{channel}'"):
                pickle.dumps(endpoint)
