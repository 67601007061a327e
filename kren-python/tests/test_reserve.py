"""Messages built where they will lie: committed on leaving the block, aborted by an exception."""

import gc
import io
import threading

import kren
import numpy
import pytest

CAPACITY = 64 * 1024


def test_a_slot_is_a_writable_buffer_that_becomes_the_message(channel: str) -> None:
    """G2: built in place."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with writer.reserve(10) as slot:
            assert isinstance(slot, kren.Slot)
            assert len(slot) == 10
            slot[:] = b"0123456789"
            slot[0] = ord("x")
            slot[2:4] = b"--"
            assert bytes(slot[:5]) == b"x1--4"
            assert slot[9] == ord("9")
            assert reader.try_read() is None
        assert reader.read() == b"x1--456789"

        image = numpy.arange(60, dtype="f4").reshape(3, 4, 5)
        with writer.reserve(image.nbytes, tag=3) as slot:
            numpy.copyto(numpy.frombuffer(memoryview(slot), "f4").reshape(image.shape), image)
        tag, data = reader.read_tagged()
        assert tag == 3
        assert (numpy.frombuffer(data, "f4").reshape(image.shape) == image).all()

        with writer.reserve(6) as slot:
            assert io.BytesIO(b"a file").readinto(slot) == 6
        assert reader.read() == b"a file"


def test_less_than_was_reserved(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with writer.reserve(1000) as slot:
            slot[:5] = b"short"
            slot.commit(5)
            with pytest.raises(ValueError, match="committed"):
                slot[0] = 1
        assert reader.read() == b"short"
        with writer.reserve(1000) as slot:
            slot.commit(length=0)
        assert reader.read() == b""
        with writer.reserve(5) as slot:
            with pytest.raises(ValueError, match="6 bytes are more than the 5"):
                slot.commit(6)
            slot[:] = b"whole"
        assert reader.read() == b"whole"
        slot = writer.reserve(5)
        slot[:] = b"block"
        slot.commit()
        assert reader.read() == b"block"


def test_an_exception_aborts(channel: str) -> None:
    """G1: what was not committed is never seen."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        room = writer.available
        with pytest.raises(ZeroDivisionError), writer.reserve(1000) as slot:
            slot[0] = 1 // 0
        assert "aborted" in repr(slot)
        with writer.reserve(1000) as slot:
            slot.abort()
            slot.abort()
        with pytest.raises(ValueError, match="aborted"):
            slot.commit()
        slot = writer.reserve(1000)
        del slot
        gc.collect()
        assert reader.try_read() is None
        assert writer.available == room
        writer.write(b"next")
        assert reader.read() == b"next"


def test_exports_alive_at_the_commit_are_refused(channel: str) -> None:
    """G1: a buffer that is still in use could alter what was published."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        slot = writer.reserve(4)
        image = numpy.frombuffer(memoryview(slot), "u1")
        with pytest.raises(BufferError, match="1 buffers of this slot are in use"):
            slot.commit()
        assert reader.try_read() is None
        image[:] = 65
        del image
        slot.commit()
        assert reader.read() == b"AAAA"

        with pytest.raises(BufferError), writer.reserve(4) as slot:
            view = memoryview(slot)
        assert reader.try_read() is None
        # The room is the next message's: nothing is written there while it could be meddled with.
        with pytest.raises(kren.Busy, match="aborted one are still in use"):
            writer.write(b"next")
        view[0] = 1
        view.release()
        writer.write(b"next")
        assert reader.read() == b"next"


def test_the_writer_does_nothing_else_meanwhile(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with writer.reserve(100) as slot:
            for call in (
                lambda: writer.write(b"x"),
                lambda: writer.write(bytearray(b"x"), timeout=1),
                lambda: writer.try_write(b"x"),
                lambda: writer.write_many([b"x"]),
                lambda: writer.reserve(1),
                writer.flush,
            ):
                with pytest.raises(kren.Busy, match="slot open"):
                    call()
            assert writer.available > 0
            assert writer.reader_state == "attached"
            slot[:] = bytes(100)
        assert reader.read() == bytes(100)


def test_a_slot_of_a_writer_that_was_closed(channel: str) -> None:
    writer, reader = kren.Writer(channel, CAPACITY), kren.Reader(channel)
    slot = writer.reserve(10)
    writer.close()
    # Still mapped.
    slot[:] = bytes(10)
    with pytest.raises(kren.EndpointClosed):
        slot.commit()
    assert reader.try_read() is None
    assert reader.writer_state == "closed"
    reader.close()


def test_the_slot_keeps_its_writer(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as first:
        first.write(b"first")
    slot = kren.Writer(channel, CAPACITY).reserve(6)
    gc.collect()
    slot[:] = b"second"
    slot.commit()
    del slot
    gc.collect()
    with kren.Reader(channel) as reader:
        assert list(reader) == [b"first", b"second"]


def test_reserving_waits_as_writing_does(channel: str) -> None:
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        assert writer.max_message_len == 4088
        writer.write(bytes(4088))
        with pytest.raises(kren.TimedOut):
            writer.reserve(1, timeout=0.01)
        with pytest.raises(kren.TimedOut):
            writer.reserve(1, 0)
        reading = threading.Timer(0.05, reader.read)
        reading.start()
        with writer.reserve(4088, timeout=30) as slot:
            slot[:] = b"x" * 4088
        reading.join()
        assert reader.read() == b"x" * 4088
        with pytest.raises(kren.TooLarge, match="4088"):
            writer.reserve(4089)
        for length in (-1, 2**70):
            with pytest.raises(ValueError, match="length"):
                writer.reserve(length)
        with pytest.raises(ValueError, match="0 to 4294967295"):
            writer.reserve(1, tag=-1)
        writer.write(b"not in the way")
        assert reader.read() == b"not in the way"


def test_slots_over_many_laps(channel: str) -> None:
    """G1, G2: every length at every place, by turns with plain writes."""
    with kren.Writer(channel, 8192) as writer, kren.Reader(channel) as reader:
        for length in range(2048):
            expected = bytes([length % 251]) * length
            with writer.reserve(length + length % 3, timeout=0) as slot:
                slot[:length] = expected
                slot.commit(length)
            writer.write(expected)
            with reader.borrow(timeout=0) as lease:
                assert lease == expected
            assert reader.read(timeout=0) == expected
