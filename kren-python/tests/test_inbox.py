"""Many senders, one inbox: what arrives, whose it is, and what deaths do to the others (P7, P8)."""

import asyncio
import os
import pickle
import signal
from collections import defaultdict
from itertools import islice

import kren
import pytest

from support import PATIENCE, child, segment_of, until

CAPACITY = 65536

SEND = """
import sys, kren
name, who, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sender = kren.Sender(name)
print(sender.id.number, flush=True)
for at in range(count):
    sender.write(at.to_bytes(8, "little") * (1 + at % 40), tag=who)
    if at % 50 == 49:
        print(at + 1, flush=True)
print("done", flush=True)
"""
"""Ends without closing: the interpreter does."""

ENDLESS = SEND.replace("range(count)", "__import__('itertools').count()")

READ = """
import sys, kren
inbox = kren.Inbox(sys.argv[1], 65536)
print("ready", flush=True)
for at in range(20):
    assert int.from_bytes(inbox.read(), "little") == at
print("stopped", flush=True)
sys.stdin.readline()
"""


def check(message: bytes) -> int:
    at = int.from_bytes(message[:8], "little")
    assert message == at.to_bytes(8, "little") * (1 + at % 40)
    return at


def gone(inbox: kren.Inbox, count: int) -> list[kren.Departure]:
    """The next departures, for which a call has to wait."""
    departures: list[kren.Departure] = []
    while len(departures) < count:
        with pytest.raises(kren.TimedOut):
            inbox.read(0.02)
        departures += inbox.departures()
    return departures


def test_each_sender_arrives_whole_in_its_order_and_is_told_apart(group: str) -> None:
    """P7: also of those who came, and went, before there was an inbox."""
    count = 1000
    with child(SEND, group, "0", "200") as early:
        numbers = {int(early.line()): 0}
        early.output()
    with kren.Inbox(group, CAPACITY) as inbox:
        with child(SEND, group, "1", str(count)) as one, child(SEND, group, "2", str(count)) as two:
            numbers |= {int(one.line()): 1, int(two.line()): 2}
            pids = {1: one.pid, 2: two.pid}
            following: dict[int, int] = defaultdict(int)
            for _ in range(200 + 2 * count):
                message = inbox.read(PATIENCE)
                assert check(message) == following[message.tag]
                following[message.tag] += 1
                assert message.sender is not None
                assert numbers[message.sender.number] == message.tag
                assert message.tag == 0 or message.sender.pid == pids[message.tag]
            assert inbox.try_read() is None
            one.output()
            two.output()
        departures = gone(inbox, 3)
        assert {departure.sender.number for departure in departures} == set(numbers)
        assert not any(departure.died for departure in departures)
        assert inbox.senders == []


def test_a_sender_that_is_killed(group: str) -> None:
    """P8: all that it committed arrives, then its death is told, and nobody else is disturbed."""
    with kren.Inbox(group, CAPACITY) as inbox, kren.Sender(group) as other:
        for life in range(3):
            with child(ENDLESS, group, "1", "0") as victim:
                number = int(victim.line())
                committed = int(victim.line())
                victim.kill()
                while rest := victim.line():
                    committed = int(rest)
            other.write(b"still here", 1)
            read, heard = 0, False
            while read < committed or not heard:
                message = inbox.read(PATIENCE)
                assert message.sender is not None
                if message.sender.number == number:
                    assert check(message) == read
                    read += 1
                else:
                    assert (message, message.sender) == (b"still here", other.id)
                    heard = True
            while (left := inbox.try_read()) is not None:
                assert check(left) == read
                read += 1
            (departure,) = gone(inbox, 1)
            assert (departure.sender.number, departure.died) == (number, True), life
            assert inbox.senders == [other.id]


def test_an_inbox_that_is_killed_has_a_successor(group: str) -> None:
    """P7: nothing that it had not released is lost."""
    sender = kren.Sender(group)
    assert sender.inbox_state == "never_attached"
    with child(READ, group) as first:
        assert first.line() == "ready"
        until(lambda: sender.inbox_state == "attached")
        for at in range(200):
            sender.write(at.to_bytes(8, "little"), PATIENCE)
        assert first.line() == "stopped"
        first.kill()
    until(lambda: sender.inbox_state == "died")
    with kren.Inbox(group, CAPACITY) as inbox:
        sender.close()
        rest = [int.from_bytes(inbox.read(PATIENCE), "little") for _ in range(180)]
        assert rest == list(range(20, 200))
        assert inbox.try_read() is None


def test_the_ways_to_read(group: str) -> None:
    with kren.Inbox(group, CAPACITY, senders=4) as inbox, kren.Sender(group) as sender:
        assert inbox.try_read() is None
        with pytest.raises(kren.TimedOut):
            inbox.read(0)
        sender.write_many([b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"])
        with sender.reserve(2) as slot:
            slot[:] = b"89"
        assert inbox.read() == b"0"
        assert inbox.try_read() == b"1"
        assert next(inbox) == b"2"
        held = inbox.borrow(0)
        assert held == b"3"
        assert (held.sender, held.redelivered) == (sender.id, False)
        assert inbox.read_many(2) == [b"4", b"5"]
        assert [bytes(lease) for lease in islice(inbox.lend(0), 2)] == [b"6", b"7"]
        assert inbox.read_many() == [b"89"]
        with pytest.raises(kren.TimedOut):
            sender.flush(0.01)
        held.release()
        sender.flush(PATIENCE)
        message = kren.Message(b"x")
        assert (message.tag, message.sender) == (0, None)
        assert isinstance(message, bytes)


def test_what_is_refused(group: str) -> None:
    with kren.Inbox(group, CAPACITY, senders=1) as inbox, kren.Sender(group) as sender:
        with pytest.raises(kren.WriterExists):
            kren.Inbox(group, CAPACITY)
        with pytest.raises(kren.NoSeat):
            kren.Sender(group)
        with pytest.raises(kren.WrongKind):
            kren.Writer(group, CAPACITY)
        with pytest.raises(kren.WrongKind):
            kren.Worker(group)
        with pytest.raises(kren.TooLarge) as too_large:
            sender.write(bytes(2 * CAPACITY))
        # It names the inbox, not the ring of that sender.
        assert too_large.value.channel == group
        assert "@" not in str(too_large.value)
        for end in (inbox, sender):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(end)
    for call in (inbox.read, inbox.try_read, inbox.departures, inbox.borrow):
        with pytest.raises(kren.EndpointClosed):
            call()
    assert inbox.closed
    assert "closed" in repr(inbox)
    with pytest.raises(kren.InvalidOption, match="1 to 1024"):
        kren.Inbox(group, CAPACITY, senders=0)


def test_a_name_that_was_taken_away(group: str) -> None:
    with kren.Inbox(group, CAPACITY) as inbox, kren.Sender(group) as sender:
        assert not inbox.is_removed
        assert not sender.is_removed
        segment_of(group).unlink()
        assert inbox.is_removed
        assert sender.is_removed
        sender.write(b"all the same")
        assert inbox.read(PATIENCE) == b"all the same"


def test_a_forked_child_is_refused(group: str) -> None:
    """G10."""
    with kren.Inbox(group, CAPACITY) as inbox, kren.Sender(group) as sender:
        sender.write(b"for the parent")
        pid = os.fork()
        if pid == 0:
            told = 0
            for call in (inbox.read, inbox.try_read, lambda: sender.write(b"x")):
                try:
                    call()
                except kren.Forked:
                    told += 1
            os._exit(told)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        assert inbox.read(PATIENCE) == b"for the parent"


INTERRUPTED = """
import kren, sys
inbox = kren.Inbox(sys.argv[1], 65536)
print("waits", flush=True)
try:
    inbox.read()
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(inbox.read(30).decode(), flush=True)
"""


def test_ctrl_c_ends_a_wait_and_loses_nothing(group: str) -> None:
    with child(INTERRUPTED, group) as waiting:
        assert waiting.line() == "waits"
        until(waiting.sleeps)
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        with kren.Sender(group) as sender:
            sender.write(b"after")
            assert waiting.line() == "after"
        assert waiting.end() == 0


def test_asyncio(group: str) -> None:
    """P7, P8: many tasks read, some are cancelled, senders come, die and leave; nothing is lost."""
    count = 400

    async def run() -> None:
        async with kren.Inbox(group, CAPACITY) as inbox:
            with pytest.raises(kren.TimedOut):
                await inbox.aread(0.01)
            seen: dict[int, list[int]] = defaultdict(list)

            async def take() -> None:
                async for message in inbox:
                    seen[message.tag].append(check(message))

            waiting = [asyncio.create_task(inbox.aread()) for _ in range(3)]
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            readers = [asyncio.create_task(take()) for _ in range(2)]
            with (
                child(SEND, group, "1", str(count)) as one,
                child(ENDLESS, group, "2", "0") as two,
            ):
                while len(seen[1]) < count or len(seen[2]) < count:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                two.kill()
                one.output()
            departures: list[kren.Departure] = []
            while len(departures) < 2:
                await asyncio.sleep(0.001)
                departures += inbox.departures()
            assert sorted(departure.died for departure in departures) == [False, True]
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            assert seen[1] == list(range(count))
            assert seen[2] == list(range(len(seen[2])))
            # It waits by itself again.
            async with kren.Sender(group) as sender:
                await sender.awrite(b"last")
                assert inbox.read(PATIENCE) == b"last"
                await sender.aflush(PATIENCE)

    asyncio.run(run())


def test_closing_ends_what_is_awaited(group: str) -> None:
    async def run() -> None:
        inbox = kren.Inbox(group, CAPACITY)
        waiting = asyncio.create_task(inbox.aread())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        inbox.close()
        with pytest.raises(kren.EndpointClosed):
            await asyncio.wait_for(waiting, PATIENCE)

    asyncio.run(run())


def test_in_a_selector(group: str) -> None:
    with kren.Selector() as selector, kren.Inbox(group, CAPACITY) as inbox:
        selector.register(inbox, kren.EVENT_READ, "inbox")
        assert selector.select(0) == []
        with pytest.raises(kren.Busy):
            inbox.read(1)
        with child(SEND, group, "1", "300") as one:
            one.line()
            following = 0
            departures: list[kren.Departure] = []
            while not departures:
                ((key, events),) = selector.select(PATIENCE)
                assert (key.data, events) == ("inbox", kren.EVENT_READ)
                while (message := inbox.try_read()) is not None:
                    assert check(message) == following
                    following += 1
                departures = inbox.departures()
            assert following == 300
            one.output()
