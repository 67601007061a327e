"""Every way to hold memory of the ring counts, however the library that holds it keeps it alive.

Some keep the buffer (memoryview, ctypes, numpy.frombuffer); some release it at once and keep the
object it came from (torch, numpy.ndarray over a memoryview). What keeps neither cannot be counted,
and is named in the README.
"""

import array
import ctypes
import gc
import io
import pickle
import zlib
from collections.abc import Callable
from typing import Any

import kren
import numpy
import pytest

# What torch says of a lease.
pytestmark = pytest.mark.filterwarnings("ignore:.*not writable.*:UserWarning")

CAPACITY = 64 * 1024
LENGTH = 1024


def of_torch(make: str, buffer: Any) -> Any:
    torch = pytest.importorskip("torch")
    return getattr(torch, make)(buffer, dtype=torch.uint8)


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "memoryview": memoryview,
    "a slice": lambda buffer: buffer[10:20],
    "a slice of a memoryview": lambda buffer: memoryview(buffer)[10:20],
    "a cast": lambda buffer: memoryview(buffer).cast("I"),
    "a memoryview of a memoryview": lambda buffer: memoryview(memoryview(buffer)),
    "the memoryview's object": lambda buffer: memoryview(buffer).obj,
    "a memoryview of the memoryview's object": lambda buffer: memoryview(memoryview(buffer).obj),
    "numpy.frombuffer": lambda buffer: numpy.frombuffer(buffer, "u1"),
    "numpy.frombuffer of a memoryview": lambda buffer: numpy.frombuffer(memoryview(buffer), "u1"),
    "numpy.asarray": numpy.asarray,
    "numpy.asarray of a memoryview": lambda buffer: numpy.asarray(memoryview(buffer)),
    "numpy.array without a copy": lambda buffer: numpy.array(buffer, copy=False),
    "numpy.ndarray of a memoryview": lambda buffer: numpy.ndarray(
        (LENGTH,), "u1", buffer=memoryview(buffer)
    ),
    "numpy.ndarray of a slice": lambda buffer: numpy.ndarray((4, 4), "u1", buffer=buffer[8:]),
    "numpy.recarray of a memoryview": lambda buffer: numpy.recarray(
        (4,), [("a", "u4")], buf=memoryview(buffer)
    ),
    "a view of an array": lambda buffer: numpy.frombuffer(buffer, "u1").view("u4")[::2],
    "an array's memoryview": lambda buffer: numpy.frombuffer(buffer, "u1").data,
    "torch.frombuffer": lambda buffer: of_torch("frombuffer", buffer),
    "torch.frombuffer of a memoryview": lambda buffer: of_torch("frombuffer", memoryview(buffer)),
    "torch.asarray": lambda buffer: of_torch("asarray", buffer),
    "torch.from_numpy": lambda buffer: pytest.importorskip("torch").from_numpy(
        numpy.frombuffer(buffer, "u1")
    ),
    "a part of a tensor": lambda buffer: of_torch("frombuffer", buffer)[3:9],
    "pickle.PickleBuffer": pickle.PickleBuffer,
    "pickle.PickleBuffer, raw": lambda buffer: pickle.PickleBuffer(buffer).raw(),
}

WRITABLE_HOLDERS: dict[str, Callable[[Any], Any]] = {
    "ctypes": (ctypes.c_char * LENGTH).from_buffer,
    "ctypes of a memoryview": lambda buffer: ctypes.c_int.from_buffer(memoryview(buffer), 8),
    "a structure of ctypes": ctypes.c_double.from_buffer,
}

PASSERS: dict[str, Callable[[Any], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "array": lambda buffer: array.array("B", bytes(buffer)).frombytes(buffer),
    "io.BytesIO": io.BytesIO,
    "int.from_bytes": int.from_bytes,
    "zlib": zlib.crc32,
    "join": lambda buffer: b"".join([buffer]),
    "numpy.array": numpy.array,
    "numpy.fromstring": lambda buffer: numpy.frombuffer(buffer, "u1").copy(),
    "ctypes, copied": (ctypes.c_char * 4).from_buffer_copy,
    "a comparison": lambda buffer: buffer == b"x",
    "an index": lambda buffer: buffer[0],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_lease_is_held_as_long_as_anybody_holds_its_bytes(channel: str, holder: str) -> None:
    """G2: what was lent stays as it is."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(bytes(range(256)) * 4)
        with reader.borrow() as lease:
            held = HOLDERS[holder](lease)
        del lease
        gc.collect()
        assert reader.held == LENGTH + 8
        while writer.try_write(b"\xff" * LENGTH):
            pass
        assert bytes(memoryview(held.numpy() if hasattr(held, "numpy") else held))[:1] != b"\xff"
        del held
        gc.collect()
        assert reader.held == 0
        while reader.try_read() is not None:
            pass


@pytest.mark.parametrize("holder", HOLDERS | WRITABLE_HOLDERS)
def test_a_slot_is_not_committed_while_anybody_could_alter_it(channel: str, holder: str) -> None:
    """G1: what was published stays as it is."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        slot = writer.reserve(LENGTH)
        held = (HOLDERS | WRITABLE_HOLDERS)[holder](slot)
        with pytest.raises(BufferError, match="1 buffers"):
            slot.commit()
        assert reader.try_read() is None
        del held
        gc.collect()
        slot.commit()
        assert len(reader.read()) == LENGTH
        slot = writer.reserve(LENGTH)
        held = (HOLDERS | WRITABLE_HOLDERS)[holder](slot)
        slot.abort()
        with pytest.raises(kren.Busy, match="still in use"):
            writer.write(b"over it")
        del held
        gc.collect()
        writer.write(b"after it")
        assert reader.read() == b"after it"


@pytest.mark.parametrize("passer", PASSERS)
def test_what_only_passes_over_the_bytes_holds_nothing(channel: str, passer: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with writer.reserve(LENGTH) as slot:
            kept = PASSERS[passer](slot)
        with reader.borrow() as lease:
            kept = PASSERS[passer](lease)
        assert reader.held == 0
        del kept


def test_stores_through_each_reach_the_message(channel: str) -> None:
    """G2: in place, whatever object stands between."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with writer.reserve(LENGTH) as slot:
            numpy.ndarray((LENGTH,), "u1", buffer=memoryview(slot))[:] = 7
            memoryview(memoryview(slot).obj)[1] = 8
            ctypes.c_ubyte.from_buffer(slot, 2).value = 9
        assert reader.read() == b"\7\x08\x09" + b"\7" * (LENGTH - 3)


def test_an_object_between_says_whose_it_is(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(b"message")
        with reader.borrow() as lease:
            assert "kren.Lease of 7 bytes" in repr(memoryview(lease).obj)
            assert bytes(memoryview(lease).obj) == b"message"
            with pytest.raises(TypeError):
                memoryview(memoryview(lease).obj)[0] = 1


def test_the_one_way_that_is_not_counted_and_what_to_write_instead(channel: str) -> None:
    """numpy.ndarray(buffer=) keeps what it was given: the README says to give it a memoryview."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(bytes(LENGTH))
        with reader.borrow() as lease:
            given: Any = lease
            uncounted = numpy.ndarray((LENGTH,), "u1", buffer=given)
            assert uncounted.base is given
        assert reader.held == 0
        # The worst that it may see is another message's bytes.
        assert len(uncounted.tobytes()) == LENGTH
