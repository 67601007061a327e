"""One publisher, many subscribers: what each gets, and what deaths do to the others (P1 to P6)."""

import asyncio
import os
import time
import weakref
from collections.abc import Callable

import kren
import pytest

from support import PATIENCE, child, segment_of, until

CAPACITY = 65536


def message(at: int) -> bytes:
    """Message `at`, which says which it is and whether it is whole."""
    return at.to_bytes(8, "little") * (1 + at * 7919 % 60)


def number(data: bytes | memoryview | kren.Lease) -> int:
    whole = bytes(data)
    at = int.from_bytes(whole[:8], "little")
    assert whole == message(at)
    return at


COMMON = """
import sys, kren
def message(at):
    return at.to_bytes(8, "little") * (1 + at * 7919 % 60)
def number(data):
    at = int.from_bytes(data[:8], "little")
    assert bytes(data) == message(at), at
    return at
def say(*words):
    print(*words, flush=True)
name = sys.argv[1]
"""

READ_TO_THE_END = (
    COMMON
    + """
lossy = sys.argv[2] == "lossy"
subscriber = kren.Subscriber(name, lossy=lossy, timeout=30)
say("joined", subscriber.position)
following, read, missed = 0, 0, 0
while True:
    try:
        # A lossy one is overtaken in the middle of many, too.
        taken = subscriber.read_many(64, 30) if lossy else [subscriber.read(30)]
    except kren.Lagged as error:
        assert lossy and error.missed > 0
        missed += error.missed
        following += error.missed
        continue
    except kren.Closed:
        break
    for data in taken:
        assert number(data) == following, following
        following += 1
        read += 1
say("end", read, missed)
"""
)

HOLD_ONE = (
    COMMON
    + """
subscriber = kren.Subscriber(name, timeout=30)
say("joined")
for _ in range(3):
    number(subscriber.read(30))
lease = subscriber.borrow(30)
say("stopped")
sys.stdin.readline()
"""
)

READ_AS_LOG = (
    COMMON
    + """
subscriber = kren.Subscriber(name, durable="log", timeout=30)
say("joined", subscriber.position)
for _ in range(10):
    say("read", number(subscriber.read(30)))
say("idle")
sys.stdin.readline()
"""
)

PUBLISH = (
    COMMON
    + """
at = int(sys.argv[2])
publisher = kren.Publisher(name, 65536)
say("ready")
publisher.wait_for_subscribers(int(sys.argv[3]), 30)
while True:
    if at % 3:
        publisher.write(message(at), 30)
    else:
        data = message(at)
        with publisher.reserve(len(data), 30) as slot:
            slot[:] = data
    at += 1
    if at % 100 == 0:
        say("committed", at)
"""
)


def count_read(report: str) -> tuple[int, int]:
    word, read, missed = report.split()
    assert word == "end", report
    return int(read), int(missed)


def test_every_subscriber_gets_every_message(channel: str) -> None:
    """P1."""
    count = 20_000
    with (
        kren.Publisher(channel, CAPACITY) as publisher,
        child(READ_TO_THE_END, channel, "lossless") as one,
        child(READ_TO_THE_END, channel, "lossless") as two,
        child(READ_TO_THE_END, channel, "lossy") as three,
    ):
        publisher.wait_for_subscribers(3, PATIENCE)
        for reader in (one, two, three):
            assert reader.line() == "joined 0"
        assert sorted(known.pid for known in publisher.subscribers) == sorted(
            reader.pid for reader in (one, two, three)
        )
        for at in range(count):
            publisher.write(message(at), PATIENCE)
        publisher.close()
        assert count_read(one.line()) == (count, 0)
        assert count_read(two.line()) == (count, 0)
        read, missed = count_read(three.line())
        assert read + missed == count
        for reader in (one, two, three):
            assert reader.end() == 0


def test_a_subscriber_that_dies_is_passed_over(channel: str) -> None:
    """P2."""
    with (
        kren.Publisher(channel, CAPACITY) as publisher,
        kren.Subscriber(channel) as other,
        child(HOLD_ONE, channel) as still,
    ):
        assert still.line() == "joined"
        at = 0
        while publisher.try_write(message(at)):
            at += 1
            assert number(other.read(PATIENCE)) == at - 1
            if at == 5:
                assert still.line() == "stopped"
        with pytest.raises(kren.TimedOut):
            publisher.write(message(at), 0.3)
        slowest = max(publisher.subscribers, key=lambda known: known.behind)
        assert (slowest.pid, slowest.state, slowest.behind) == (still.pid, "attached", at - 3)
        assert not slowest.lossy
        assert not slowest.durable
        assert 0 < slowest.behind_bytes <= CAPACITY
        still.kill()
        start = time.monotonic()
        publisher.write(message(at), PATIENCE)
        assert time.monotonic() - start < 5
        for later in range(at + 1, at + 1000):
            assert number(other.read(PATIENCE)) == later - 1
            publisher.write(message(later), PATIENCE)
        assert [known.pid for known in publisher.subscribers] == [os.getpid()]


TAKERS: list[Callable[[kren.Subscriber], list[bytes]]] = [
    lambda subscriber: [subscriber.read(0)],
    lambda subscriber: [data for data in [subscriber.try_read()] if data is not None],
    lambda subscriber: [subscriber.read_tagged(0)[1]],
    lambda subscriber: subscriber.read_many(1000, 0),
    lambda subscriber: subscriber.read_many(3, 0),
    lambda subscriber: [bytes(subscriber.borrow(0))],
    lambda subscriber: [read_into(subscriber)],
    lambda subscriber: [next(iter(subscriber))],
]


def read_into(subscriber: kren.Subscriber) -> bytes:
    target = bytearray(1000)
    return bytes(target[: subscriber.read_into(target, 0)])


@pytest.mark.parametrize("take", TAKERS)
def test_a_lossy_subscriber_is_told_what_it_missed(
    channel: str, take: Callable[[kren.Subscriber], list[bytes]]
) -> None:
    """P3: whichever call meets the loss, it is told once, and exactly."""
    with (
        kren.Publisher(channel, CAPACITY) as publisher,
        kren.Subscriber(channel, lossy=True) as subscriber,
    ):
        written, expected = 0, 0
        losses: list[kren.Lagged] = []
        for burst in (10, 700, 30, 1500, 1, 900):
            for _ in range(burst):
                publisher.write(message(written), 0)
                written += 1
            while expected < written:
                assert subscriber.position == expected
                try:
                    taken = take(subscriber)
                except kren.Lagged as error:
                    expected += error.missed
                    losses.append(error)
                    continue
                assert taken
                for data in taken:
                    assert number(data) == expected
                    expected += 1
            assert subscriber.try_read() is None
        assert len(losses) == 3
        for loss in losses:
            assert loss.missed > 0
            assert str(loss.missed) in str(loss)
            assert loss.channel == channel


def test_a_loss_in_the_middle_of_many_is_told_by_the_next_call(channel: str) -> None:
    """P3."""
    with (
        kren.Publisher(channel, CAPACITY) as publisher,
        kren.Subscriber(channel, lossy=True) as subscriber,
    ):
        for at in range(5):
            publisher.write(message(at))
        assert subscriber.read_many(2) == [message(0), message(1)]
        for at in range(5, 2000):
            publisher.write(message(at))
        with pytest.raises(kren.Lagged) as lagged:
            subscriber.read_many(4000, 0)
        rest = subscriber.read_many(4000, 0)
        assert number(rest[0]) == 2 + lagged.value.missed
        assert number(rest[-1]) == 1999
        assert subscriber.position == 2000


def test_a_slow_subscriber_is_evicted(channel: str) -> None:
    """P4: it is told what that cost it, and what it held is its own."""
    with (
        kren.Publisher(channel, CAPACITY, evict_after=0.02) as publisher,
        kren.Subscriber(channel) as slow,
    ):
        publisher.write(message(0))
        held = slow.borrow(0)
        view = memoryview(held)
        held.release()
        for at in range(1, 2000):
            publisher.write(message(at), PATIENCE)
        assert number(view) == 0
        with pytest.raises(kren.Evicted) as evicted:
            slow.read(0)
        expected = 1 + evicted.value.missed
        while (data := slow.try_read()) is not None:
            assert number(data) == expected
            expected += 1
        assert expected == 2000
        # It holds the publisher up again.
        at = 2000
        while publisher.try_write(message(at)):
            at += 1
        assert [number(data) for data in slow.read_many(5000)] == list(range(2000, at))


def test_an_awaiting_publisher_evicts_too(channel: str) -> None:
    """P4."""

    async def publish() -> None:
        async with kren.Publisher(channel, CAPACITY, evict_after=0.02) as publisher:
            slow = kren.Subscriber(channel)
            for at in range(2000):
                await publisher.awrite(message(at), PATIENCE)
            with pytest.raises(kren.Evicted):
                await slow.aread(PATIENCE)
            assert number(await slow.aread(PATIENCE)) == slow.position - 1
            slow.close()

    asyncio.run(publish())


def test_what_is_copied_is_never_a_view_of_the_ring(channel: str) -> None:
    """P4: on an evicting broadcast, and of a lossy subscriber."""
    np = pytest.importorskip("numpy")
    with kren.Publisher(channel, CAPACITY, evict_after=0) as publisher:
        lossless, lossy = kren.Subscriber(channel), kren.Subscriber(channel, lossy=True)
        publisher.write_array(np.arange(100, dtype="i4"))
        publisher.write(b"x" * 400)
        arrays = [lossless.read_array(0), lossy.read_array(0)]
        leases = [lossless.borrow(0), lossy.borrow(0)]
        buffers = [np.frombuffer(lease, dtype="u1") for lease in leases]
        assert lossless.held == lossy.held == 0
        for _ in range(3 * CAPACITY // 1000):
            publisher.write(b"z" * 992)
        for array in arrays:
            assert (array == np.arange(100)).all()
        for lease, buffer in zip(leases, buffers, strict=True):
            assert bytes(lease) == b"x" * 400
            assert (buffer == ord("x")).all()
        for lease in leases:
            lease.release()
        assert all((buffer == ord("x")).all() for buffer in buffers)
        lossless.close()
        lossy.close()


def test_a_durable_subscriber_goes_on_where_it_was(channel: str) -> None:
    """P5."""
    publisher = kren.Publisher(channel, CAPACITY)
    with child(READ_AS_LOG, channel) as durable:
        assert durable.line() == "joined 0"
        for at in range(30):
            publisher.write(message(at))
        assert [durable.line() for _ in range(10)] == [f"read {at}" for at in range(10)]
        assert durable.line() == "idle"
        with pytest.raises(kren.ReaderExists):
            kren.Subscriber(channel, durable="log")
        durable.kill()
    at = 30
    while publisher.try_write(message(at)):
        at += 1
    with pytest.raises(kren.TimedOut):
        publisher.write(message(at), 0.3)
    known = publisher.subscribers[0]
    assert (known.state, known.durable, known.behind) == ("died", True, at - 10)
    # The name stays for it, also when everybody else is gone.
    publisher.close()
    half = (10 + at) // 2
    with kren.Subscriber(channel, durable="log") as heir:
        assert heir.position == 10
        assert [number(data) for data in heir.read_many(half - 10)] == list(range(10, half))
    with kren.Subscriber(channel, durable="log") as heir:
        assert [number(data) for data in heir] == list(range(half, at))
        heir.unsubscribe()
        assert heir.closed
    with pytest.raises(kren.NotFound):
        kren.Subscriber(channel)


def take_until_death(subscriber: kren.Subscriber, following: int) -> int:
    try:
        while True:
            assert number(subscriber.read(PATIENCE)) == following
            following += 1
    except kren.PeerDied:
        return following


def test_a_publisher_that_is_killed_has_a_successor(channel: str) -> None:
    """P6: nothing that it committed is lost, for no subscriber."""
    subscribers: list[kren.Subscriber] = []
    following = 0
    for _ in range(4):
        with child(PUBLISH, channel, str(following), "3") as publisher:
            assert publisher.line() == "ready"
            while len(subscribers) < 3:
                subscribers.append(kren.Subscriber(channel))
            for subscriber in subscribers:
                subscriber.wait_for_writer(PATIENCE)
            target = following + 300
            committed = 0
            read = [following] * 3
            while committed < target:
                for place, subscriber in enumerate(subscribers):
                    for data in subscriber.read_many(50, PATIENCE):
                        assert number(data) == read[place]
                        read[place] += 1
                while committed < min(read) - 100:
                    committed = int(publisher.line().split()[1])
            publisher.kill()
            ends = {
                take_until_death(subscriber, read[place])
                for place, subscriber in enumerate(subscribers)
            }
            assert len(ends) == 1, "all got the same"
            following = ends.pop()
            while line := publisher.line():
                # The last one may have been cut off by the death.
                if number_said := line.split()[1:]:
                    committed = int(number_said[0])
            assert following >= committed
    for subscriber in subscribers:
        subscriber.close()
    kren.Publisher(channel, CAPACITY).close()


def test_a_subscriber_reads_on_from_the_next_publisher(channel: str) -> None:
    """P6."""
    first = kren.Publisher(channel, CAPACITY)
    with kren.Subscriber(channel) as subscriber:
        first.write(b"one")
        first.close()
        assert list(subscriber) == [b"one"]
        assert subscriber.writer_state == "closed"
        with pytest.raises(kren.TimedOut):
            subscriber.wait_for_writer(0.01)
        with kren.Publisher(channel, CAPACITY) as second:
            subscriber.wait_for_writer(PATIENCE)
            second.write(b"two")
            assert subscriber.read(PATIENCE) == b"two"


def test_where_a_subscriber_starts(channel: str) -> None:
    """P1: what is gone is told."""
    with kren.Publisher(channel, CAPACITY) as publisher:
        for at in range(50):
            publisher.write(message(at))

        def first(start: int | str) -> int:
            with kren.Subscriber(channel, start=start) as subscriber:  # type: ignore[arg-type]
                return number(subscriber.read(0))

        assert first("oldest") == 0
        assert first(37) == 37
        newest = kren.Subscriber(channel)
        assert newest.try_read() is None
        publisher.write(message(50))
        assert number(newest.read(0)) == 50
        newest.close()
        for at in range(51, 3000):
            publisher.write(message(at))
        for take in TAKERS:
            with kren.Subscriber(channel, start=37) as late:
                with pytest.raises(kren.Lagged) as lagged:
                    take(late)
                assert number(take(late)[0]) == 37 + lagged.value.missed
        assert 2500 < first("oldest") < 2990


def test_a_subscriber_holds_views_of_the_ring(channel: str) -> None:
    """G5, where nobody is overwritten under: as a reader."""
    with kren.Publisher(channel, CAPACITY) as publisher, kren.Subscriber(channel) as subscriber:
        publisher.write(b"held", tag=7)
        publisher.write(b"next")
        lease = subscriber.borrow(0)
        assert (lease.tag, subscriber.held > 0) == (7, True)
        assert subscriber.read(0) == b"next"
        assert bytes(lease) == b"held"
        with pytest.raises(kren.TimedOut):
            publisher.flush(0.01)
        lease.release()
        assert subscriber.held == 0
        publisher.flush(PATIENCE)


def test_what_a_writer_and_a_reader_can_do(channel: str) -> None:
    """The face is theirs."""
    np = pytest.importorskip("numpy")
    with kren.Publisher(channel, CAPACITY, alignment=64) as publisher:
        one, two = kren.Subscriber(channel), kren.Subscriber(channel)
        publisher.write_many([b"a", b"b"])
        with publisher.reserve(10, tag=3) as slot:
            slot[:4] = b"slot"
            slot.commit(4)
        publisher.write_array(np.ones((2, 3)), tag=5)
        publisher.write_arrays({"x": np.zeros(4), "y": np.ones(2)})
        for subscriber in (one, two):
            assert subscriber.alignment == publisher.alignment == 64
            assert subscriber.capacity == publisher.capacity
            assert subscriber.available > 0
            assert subscriber.read(0) == b"a"
            assert subscriber.read(0) == b"b"
            assert subscriber.read_tagged(0) == (3, b"slot")
            assert (subscriber.read_array(0) == np.ones((2, 3))).all()
            assert (subscriber.read_arrays(0)["y"] == 1).all()
        publisher.flush(PATIENCE)
        assert "Publisher" in repr(publisher)
        assert "Subscriber" in repr(one)
        assert repr(publisher.subscribers[0]).startswith("SubscriberInfo(seat=1, pid=")
        assert publisher.subscribers == publisher.subscribers
        assert not hasattr(publisher, "reader_state")
        one.close()
        two.unsubscribe()
        one.unsubscribe()
        for subscriber in (one, two):
            with pytest.raises(kren.EndpointClosed):
                subscriber.read()
        assert publisher.subscribers == []


def test_asyncio(channel: str) -> None:
    async def take(subscriber: kren.Subscriber, count: int) -> list[int]:
        return [number(await subscriber.aread(PATIENCE)) for _ in range(count)]

    async def run() -> None:
        searching = asyncio.create_task(kren.subscribe(channel, PATIENCE, start="oldest"))
        await asyncio.sleep(0)
        async with kren.Publisher(channel, CAPACITY) as publisher:
            with pytest.raises(kren.TimedOut):
                await publisher.await_subscribers(3, 0.01)
            coming = asyncio.create_task(publisher.await_subscribers(3, PATIENCE))
            await asyncio.sleep(0)
            assert not coming.done()
            three = [await kren.subscribe(channel), await kren.subscribe(channel, lossy=True)]
            three.append(await searching)
            await coming
            taking = [asyncio.create_task(take(subscriber, 150)) for subscriber in three]
            for at in range(150):
                await publisher.awrite(message(at), PATIENCE)
            for taken in taking:
                assert await taken == list(range(150))
            await publisher.aflush(PATIENCE)
            cancelled = asyncio.create_task(three[0].aread())
            await asyncio.sleep(0.01)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            publisher.write(b"last")
        for subscriber in three:
            assert [data async for data in subscriber] == [b"last"]
            subscriber.close()
        for timeout in (0, 0.02):
            with pytest.raises(kren.NotFound):
                await kren.subscribe(channel, timeout)
        search = asyncio.create_task(kren.subscribe(channel))
        await asyncio.sleep(0.01)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search

    asyncio.run(run())


def test_a_publisher_waits_for_its_subscribers(channel: str) -> None:
    with kren.Publisher(channel, CAPACITY) as publisher:
        publisher.wait_for_subscribers(0, 0)
        with pytest.raises(kren.TimedOut):
            publisher.wait_for_subscribers(1, 0.01)
        with child(HOLD_ONE, channel) as one, child(HOLD_ONE, channel) as two:
            publisher.wait_for_subscribers(2, PATIENCE)
            one.kill()
            assert [known.pid for known in publisher.subscribers] == [two.pid]


def test_kinds_and_seats(channel: str) -> None:
    with kren.Publisher(channel, CAPACITY, subscribers=2) as publisher:
        for wrong in (lambda: kren.Reader(channel), lambda: kren.Writer(channel, CAPACITY)):
            with pytest.raises(kren.WrongKind):
                wrong()
        with (
            kren.Subscriber(channel, timeout=None),
            kren.Subscriber(channel),
            pytest.raises(kren.NoSeat, match="2 seats"),
        ):
            kren.Subscriber(channel)
        kren.Subscriber(channel).close()
        with pytest.raises(kren.WriterExists):
            kren.Publisher(channel, CAPACITY)
        assert not publisher.closed
    with kren.Writer(channel, CAPACITY), pytest.raises(kren.WrongKind):
        kren.Subscriber(channel)


def test_arguments(channel: str) -> None:
    for seats in (0, 65, -1):
        with pytest.raises(kren.InvalidOption, match="subscribers"):
            kren.Publisher(channel, CAPACITY, subscribers=seats)
    for patience, error in ((-1, ValueError), (float("nan"), ValueError), ("1", TypeError)):
        with pytest.raises(error, match="evict_after"):
            kren.Publisher(channel, CAPACITY, evict_after=patience)  # type: ignore[arg-type]
    with pytest.raises(kren.InvalidOption, match="durable"):
        kren.Subscriber(channel, lossy=True, durable=True)
    with pytest.raises(TypeError, match="durable must be True, False or a name, not int"):
        kren.Subscriber(channel, durable=1)  # type: ignore[arg-type]
    for start in ("middle", -1):
        with pytest.raises(kren.InvalidOption, match="start"):
            kren.Subscriber(channel, start=start)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="start must be a whole number"):
        kren.Subscriber(channel, start=1.5)  # type: ignore[arg-type]
    with kren.Publisher(channel, CAPACITY) as publisher:
        for count, failure in ((-1, ValueError), ("2", TypeError)):
            with pytest.raises(failure):
                publisher.wait_for_subscribers(count)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="cannot be pickled"):
            publisher.__reduce__()
        watched = weakref.ref(publisher)
        assert watched() is publisher


FORK = (
    COMMON
    + """
import os
publisher = kren.Publisher(name, 65536)
subscriber = kren.Subscriber(name)
publisher.write(message(0))
child = os.fork()
if child == 0:
    refused = 0
    for use in (
        lambda: publisher.write(b""), lambda: publisher.wait_for_subscribers(1),
        lambda: publisher.subscribers, lambda: publisher._subscribed(1),
        lambda: subscriber.read(), lambda: subscriber.position,
    ):
        try:
            use()
        except kren.Forked:
            refused += 1
    publisher.close()
    subscriber.unsubscribe()
    os._exit(refused)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 6, status
assert len(publisher.subscribers) == 1
assert number(subscriber.read()) == 0
say("fine")
"""
)


def test_a_forked_child_has_neither(channel: str) -> None:
    """G10."""
    with child(FORK, channel) as forking:
        assert forking.line() == "fine"
        assert forking.end() == 0


LEFT_OPEN = (
    COMMON
    + """
import threading
publisher = kren.Publisher(name, 65536)
subscribers = [kren.Subscriber(name), kren.Subscriber(name, lossy=True)]
publisher.write(b"unread")
waiting = threading.Thread(target=lambda: [subscribers[0].read() for _ in range(2)], daemon=True)
waiting.start()
say("end")
"""
)


def test_what_is_left_open_closes_at_the_end(channel: str) -> None:
    with child(LEFT_OPEN, channel) as careless:
        assert careless.line() == "end"
        assert careless.end() == 0
    assert not segment_of(channel).exists()


def test_ctrl_c_ends_a_wait_for_subscribers(channel: str) -> None:
    waits = COMMON + (
        "publisher = kren.Publisher(name, 65536)\n"
        "say('ready')\n"
        "try:\n    publisher.wait_for_subscribers(1)\n"
        "except KeyboardInterrupt:\n    say('interrupted')\n"
    )
    with child(waits, channel) as waiter:
        assert waiter.line() == "ready"
        until(waiter.sleeps)
        waiter.process.send_signal(2)
        assert waiter.line() == "interrupted"
        assert waiter.end() == 0
