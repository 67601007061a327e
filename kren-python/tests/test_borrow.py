"""Messages read where they lie: several at once, and released in any order."""

import array
import gc
import io
import os
import threading
from typing import Any

import kren
import numpy
import pytest
from numpy.typing import NDArray

from support import child, segment_of

CAPACITY = 64 * 1024
TAKEN = 1008
"""What a message of 1000 bytes takes in the ring."""


def array_of(buffer: Any) -> NDArray[numpy.uint8]:
    """What numpy's stubs allow of any buffer only from Python 3.12 on."""
    return numpy.frombuffer(buffer, numpy.uint8)


def alias_of(buffer: Any) -> NDArray[numpy.uint8]:
    """An array that keeps the object, but not an export of it."""
    return numpy.ndarray((1000,), numpy.uint8, buffer=buffer)


def message(number: int) -> bytes:
    return bytes([number % 251]) * 1000


def test_a_borrowed_message_is_a_read_only_buffer(channel: str) -> None:
    """G2: used in place, as every user of buffers does."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(b"0123456789", tag=7)
        with reader.borrow() as lease:
            assert isinstance(lease, kren.Lease)
            assert (len(lease), lease.tag, lease.released) == (10, 7, False)
            assert (lease[0], lease[-1], bytes(lease[2:4])) == (48, 57, b"23")
            assert bytes(lease) == b"0123456789"
            assert bytearray(lease) == b"0123456789"
            assert lease == b"0123456789"
            assert lease != b"other"
            assert memoryview(lease).readonly
            assert memoryview(lease).tobytes() == b"0123456789"
            assert array_of(lease).sum() == sum(b"0123456789")
            assert io.BytesIO().write(lease) == 10
            with pytest.raises(TypeError):
                memoryview(lease)[0] = 1
            with pytest.raises(TypeError, match="read-write"):
                io.BytesIO(b"x").readinto(lease)
        assert reader.available == 0


def test_nothing_is_copied(channel: str) -> None:
    """G2: what a lease shows is the ring itself."""
    with (
        kren.Writer(channel, CAPACITY, alignment=64) as writer,
        kren.Reader(channel) as reader,
    ):
        writer.write(message(1))
        writer.write(message(2))
        with reader.borrow() as first, reader.borrow() as second:
            places = [array_of(lease).ctypes.data for lease in (first, second)]
            # One record behind the other, each payload on its alignment.
            assert places[1] - places[0] == 1024
            assert places[0] % 64 == 0


def test_several_are_held_and_released_in_any_order(channel: str) -> None:
    """G2: the writer gets bytes back up to the oldest that is held, and no further."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        room = writer.available
        for number in range(5):
            writer.write(message(number))
        leases = [reader.borrow() for _ in range(4)]
        assert reader.read() == message(4)
        assert [lease == message(number) for number, lease in enumerate(leases)] == [True] * 4
        assert (reader.held, writer.available) == (5 * TAKEN, room - 5 * TAKEN)
        leases[2].release()
        leases[1].release()
        assert (reader.held, writer.available) == (5 * TAKEN, room - 5 * TAKEN)
        leases[0].release()
        assert (reader.held, writer.available) == (2 * TAKEN, room - 2 * TAKEN)
        assert leases[3] == message(3)
        del leases
        gc.collect()
        assert (reader.held, writer.available) == (0, room)


def test_use_after_release_raises(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(message(1))
        with reader.borrow() as lease:
            pass
        assert lease.released
        assert "released" in repr(lease)
        for use in (
            lambda: len(lease),
            lambda: lease[0],
            lambda: lease[:2],
            lambda: bytes(lease),
            lambda: memoryview(lease),
            lambda: array_of(lease),
            lambda: lease == b"",
            lambda: writer.write(lease),
            lease.__enter__,
        ):
            with pytest.raises((ValueError, BufferError), match=r"released|C-contiguous"):
                use()
        lease.release()
        assert reader.held == 0


def test_buffers_in_use_put_the_release_off(channel: str) -> None:
    """G2: leaving the block does not fail, and what numpy holds stays until numpy lets go."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(message(1))
        with reader.borrow() as lease:
            image = array_of(lease)
            part = memoryview(lease)[10:20]
        assert lease.released
        with pytest.raises(ValueError, match="released"):
            memoryview(lease)
        assert reader.held == TAKEN
        # The writer cannot get at it, whatever it does.
        while writer.try_write(message(2)):
            pass
        assert image.tobytes() == message(1)
        del image
        assert reader.held == TAKEN
        assert part.tobytes() == message(1)[10:20]
        part.release()
        assert reader.held == 0
        while reader.try_read() is not None:
            pass


def test_an_alias_without_an_export_sees_mapped_memory_whatever_happens(channel: str) -> None:
    """The worst that it may see is stale bytes."""
    writer, reader = kren.Writer(channel, CAPACITY), kren.Reader(channel)
    writer.write(message(1))
    lease = reader.borrow()
    alias = alias_of(lease)
    slot = writer.reserve(1000)
    room = alias_of(slot)
    lease.release()
    slot.abort()
    writer.close()
    reader.close()
    assert not segment_of(channel).exists()
    del lease, slot, writer, reader
    gc.collect()
    # Not what, but that.
    assert len(alias.tobytes()) == 1000
    room[:] = 7
    assert room.tobytes() == b"\7" * 1000


def test_collected_leases_are_released(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(message(1))
        lease = reader.borrow()
        assert reader.held == TAKEN
        del lease
        gc.collect()
        assert reader.held == 0
        writer.write(message(2))
        view = memoryview(reader.borrow())
        gc.collect()
        assert reader.held == TAKEN
        assert view == message(2)
        del view
        assert reader.held == 0


def test_an_exception_in_the_block_releases_too(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(message(1))
        with pytest.raises(ZeroDivisionError), reader.borrow():
            raise ZeroDivisionError
        assert (reader.held, reader.available) == (0, 0)


def test_messages_of_nothing_and_of_the_whole_ring(channel: str) -> None:
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        largest = os.urandom(4088)
        for expected in (b"", largest, b"", largest):
            writer.write(expected)
            with reader.borrow() as lease:
                assert lease == expected
                assert bytes(lease) == expected
                assert bytes(memoryview(lease)) == expected


def test_borrowing_waits_as_reading_does(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with pytest.raises(kren.TimedOut):
            reader.borrow(timeout=0.01)
        with pytest.raises(kren.TimedOut):
            reader.borrow(0)
        sending = threading.Timer(0.05, writer.write, [b"late"])
        sending.start()
        with reader.borrow(timeout=30) as lease:
            assert lease == b"late"
        sending.join()
        with pytest.raises(TypeError):
            reader.borrow("soon")  # type: ignore[arg-type]
        writer.close()
        with pytest.raises(kren.Closed):
            reader.borrow()


def test_a_timeout_says_how_much_is_held(channel: str) -> None:
    """A reader that waits for a writer that waits for it can find out why."""
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        while writer.try_write(b"x" * 1000):
            pass
        leases = [reader.borrow() for _ in range(4)]
        with pytest.raises(kren.TimedOut):
            writer.write(b"x" * 1000, timeout=0.01)
        with pytest.raises(kren.TimedOut, match=f"leases of this reader hold {4 * TAKEN} bytes"):
            reader.read(timeout=0.01)
        for lease in leases:
            lease.release()
        with pytest.raises(kren.TimedOut) as caught:
            reader.read(timeout=0)
        assert "hold" not in str(caught.value)


def test_a_release_by_another_thread_wakes_the_writer(channel: str) -> None:
    """G9: not woken, the writer would look again after 100 ms; 2000 times that is a hang."""
    with (
        kren.Writer(channel, 4096, strategy="sleep") as writer,
        kren.Reader(channel) as reader,
    ):
        for _ in range(2000):
            writer.write(bytes(4088))
            lease = reader.borrow()
            releasing = threading.Thread(target=lease.release)
            releasing.start()
            writer.write(b"room", timeout=30)
            releasing.join()
            assert reader.read() == b"room"


def test_a_closed_reader_keeps_its_role_until_the_last_lease_is_released(channel: str) -> None:
    """G4, G5: the writer is told at once, and nobody else can release what a lease shows."""
    with kren.Writer(channel, CAPACITY) as writer:
        writer.write(message(1))
        writer.write(message(2))
        with kren.Reader(channel) as reader:
            lease = reader.borrow()
        assert writer.reader_state == "closed"
        with pytest.raises(kren.ReaderExists):
            kren.Reader(channel)
        assert lease == message(1)
        lease.release()
        with kren.Reader(channel) as reader:
            assert reader.read() == message(2)


HOLDER = """
import kren, sys
reader = kren.Reader(sys.argv[1])
first = reader.borrow()
reader.borrow().release()
assert reader.read() == b"third"
print("holding", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("end", ["killed", "exits"])
def test_what_was_held_at_the_end_of_a_process_comes_again(channel: str, end: str) -> None:
    """G3: from the oldest that was held on; nothing is lost."""
    with kren.Writer(channel, CAPACITY) as writer:
        for text in (b"first", b"second", b"third", b"fourth"):
            writer.write(text)
        with child(HOLDER, channel) as holder:
            assert holder.line() == "holding"
            if end == "killed":
                holder.kill()
                assert writer.reader_state == "died"
            else:
                holder.say("")
                assert holder.end() == 0
                assert writer.reader_state == "closed"
    with kren.Reader(channel) as reader:
        left = list(reader)
    # At its exit Python collects the variables, and so releases what they hold.
    assert left == ([b"first", b"second", b"third", b"fourth"] if end == "killed" else [b"fourth"])


FORKER = """
import kren, os, sys
name = sys.argv[1]
writer, reader = kren.Writer(name, 4096), kren.Reader(name)
writer.write(bytes(4088))
lease = reader.borrow()
def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
def release():
    assert bytes(lease) == bytes(4088)
    lease.release()
in_child(release)
assert not writer.try_write(b"x"), "a child released its parent's message"
lease.release()
slot = writer.reserve(10)
slot[:4] = b"mine"
def commit():
    try:
        slot.commit()
    except kren.Forked:
        return
    raise AssertionError("committed in the child")
in_child(commit)
assert reader.try_read() is None
slot.commit(4)
assert reader.read() == b"mine"
in_child(lambda: None)
"""


def test_a_forked_child_releases_and_commits_nothing(channel: str) -> None:
    """G10."""
    with child(FORKER, channel) as forker:
        assert forker.line() == ""
        assert forker.end() == 0


def test_any_typed_buffer_of_it(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        numbers = array.array("d", [1.0, 2.5, -3.0])
        writer.write(numbers)
        with reader.borrow() as lease:
            assert memoryview(lease).cast("d").tolist() == numbers.tolist()
        with pytest.raises(TypeError):
            hash(lease)


def test_lend_gives_each_message_for_one_step(channel: str) -> None:
    """Each message is lent for one step; the last one, and one that is left, are released too."""
    with kren.Writer(channel, 64 * 1024) as writer, kren.Reader(channel) as reader:
        for at in range(4):
            writer.write(bytes([at]) * 1000, tag=at)
        seen = []
        for lease in reader.lend():
            seen.append((lease.tag, bytes(memoryview(lease)[:2])))
            assert 1000 < reader.held < 2000
            if lease.tag == 2:
                break
        assert seen == [(at, bytes([at, at])) for at in range(3)]
        del lease
        gc.collect()
        assert reader.held == 0
        writer.close()
        assert [lease.tag for lease in reader.lend(timeout=5)] == [3]
        assert reader.held == 0


def test_lend_keeps_what_is_still_looked_at(channel: str) -> None:
    """A view that outlives its step keeps its message; the writer does not get the place back."""
    with kren.Writer(channel, 64 * 1024) as writer, kren.Reader(channel) as reader:
        writer.write(b"a" * 5000)
        writer.write(b"b" * 5000)
        views: list[memoryview] = []
        with pytest.raises(kren.TimedOut):
            views.extend(memoryview(lease) for lease in reader.lend(timeout=0))
        assert [bytes(view[:1]) for view in views] == [b"a", b"b"]
        assert reader.held > 10_000
        views.clear()
        gc.collect()
        assert reader.held == 0
