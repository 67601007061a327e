"""One dealer, many workers: who gets what, and the work of those that die (P9, P10)."""

import asyncio
import os
import signal
import time
from collections import Counter

import kren
import pytest

from support import PATIENCE, Child, child, until

CAPACITY = 16384

WORK = """
import sys, kren
worker = kren.Worker(sys.argv[1], ahead=int(sys.argv[2]))
print("ready", flush=True)
for work in worker:
    # Said before it is released: what is released is done.
    print("again" if work.redelivered else "done", int.from_bytes(work, "little"), flush=True)
print("end", flush=True)
"""

STOP = """
import sys, kren
worker = kren.Worker(sys.argv[1])
print("ready", flush=True)
work = worker.read()
print("began", int.from_bytes(work, "little"), flush=True)
sys.stdin.readline()
raise SystemExit(sys.argv[2] if len(sys.argv) > 2 else 0)
"""

DEAL = """
import sys, kren
dealer = kren.Dealer(sys.argv[1], 16384)
for at in range(int(sys.argv[2])):
    dealer.write(at.to_bytes(8, "little"), 30)
print("dealt", flush=True)
sys.stdin.readline()
"""


def encode(at: int) -> bytes:
    return at.to_bytes(8, "little")


def decode(work: kren.Lease) -> int:
    return int.from_bytes(bytes(work), "little")


def all_of(worker: Child) -> Counter[int]:
    done: Counter[int] = Counter()
    while (line := worker.line()) != "end":
        assert line, "the worker ended before its end"
        done[int(line.split()[1])] += 1
    assert worker.end() == 0
    return done


def test_each_message_goes_to_one_worker(group: str) -> None:
    """P9: none is lost, and all workers have a share; the end of the dealer ends their loops."""
    count = 1500
    with (
        child(WORK, group, "4") as one,
        child(WORK, group, "4") as two,
        kren.Dealer(group, CAPACITY) as dealer,
    ):
        for worker in (one, two):
            assert worker.line() == "ready"
        until(lambda: dealer.try_write(encode(0)))
        assert dealer.write_many((encode(at) for at in range(1, count)), PATIENCE) == count - 1
        dealer.flush(PATIENCE)
        assert dealer.workers == 2
        dealer.close()
        shares = [all_of(worker) for worker in (one, two)]
        assert all(len(share) >= 4 for share in shares)
        assert shares[0] + shares[1] == Counter(range(count))


def test_the_work_of_the_dead_is_done_by_others(group: str) -> None:
    """P10: at least once, and marked."""
    with kren.Dealer(group, CAPACITY) as dealer, child(STOP, group) as still:
        assert still.line() == "ready"
        for at in range(20):
            dealer.write(encode(at), PATIENCE)
        assert still.line() == "began 0"
        with kren.Worker(group) as other:
            with pytest.raises(kren.TimedOut):
                other.read(0.02)
            still.kill()
            for at in range(20):
                with other.read(PATIENCE) as work:
                    assert (decode(work), work.redelivered) == (at, True)
            dealer.write(encode(20), PATIENCE)
            with other.read(PATIENCE) as work:
                assert (decode(work), work.redelivered) == (20, False)
            dealer.flush(PATIENCE)


@pytest.mark.parametrize("how", ["0", "an error"])
def test_a_worker_that_ends_with_work_in_hand(group: str, how: str) -> None:
    """P10: what it never took goes to others."""
    with kren.Dealer(group, CAPACITY) as dealer, child(STOP, group, how) as still:
        assert still.line() == "ready"
        for at in range(3):
            dealer.write(encode(at), PATIENCE)
        assert still.line() == "began 0"
        still.say("end")
        still.end()
        with kren.Worker(group) as other:
            with other.read(PATIENCE) as work:
                first = decode(work)
            assert first in (0, 1)
            for at in range(first + 1, 3):
                with other.read(PATIENCE) as work:
                    assert (decode(work), work.redelivered) == (at, True)


def test_a_dealer_that_is_killed_has_a_successor(group: str) -> None:
    """P10: workers get all that it dealt, are told, and go on with the next one."""
    with kren.Worker(group) as worker:
        assert worker.dealer_state == "never_attached"
        with child(DEAL, group, "100") as dealer:
            assert dealer.line() == "dealt"
            dealer.kill()
        got: dict[int, bool] = {}
        with pytest.raises(kren.PeerDied):  # noqa: PT012 - the loop is what raises
            for work in worker:
                got[decode(work)] = work.redelivered
        assert list(got) == list(range(100))
        with kren.Dealer(group, CAPACITY) as successor:
            successor.write(encode(100), PATIENCE)
            with worker.read(PATIENCE) as work:
                assert decode(work) == 100
        assert [decode(work) for work in worker] == []


def test_keys_and_ahead(group: str) -> None:
    """P9: one worker gets all of one key; and none gets more than it wants."""
    with (
        kren.Dealer(group, CAPACITY) as dealer,
        kren.Worker(group, ahead=1) as one,
        kren.Worker(group) as two,
    ):
        for key in ("a", b"b", "c", b"d", "e"):
            takers = set()
            for _ in range(4):
                dealer.write(b"", PATIENCE, key=key, tag=7)
                for worker in (one, two):
                    if (work := worker.try_read()) is not None:
                        assert work.tag == 7
                        takers.add(worker)
                        work.release()
            assert len(takers) == 1
        with pytest.raises(TypeError, match="key must be a str or bytes, not int"):
            dealer.write(b"", key=5)  # type: ignore[arg-type]
        for at in range(10):
            assert dealer.try_write(encode(at))
        held = [one.read(0)]
        with pytest.raises(kren.TimedOut):
            one.read(0)
        rest = [two.read(0) for _ in range(9)]
        for work in held + rest:
            work.release()


def test_iterating_releases_what_came_before(group: str) -> None:
    with kren.Dealer(group, CAPACITY) as dealer, kren.Worker(group) as worker:
        dealer.write(encode(0), PATIENCE)
        dealer.write(encode(1), PATIENCE)
        steps = iter(worker)
        first = next(steps)
        assert not first.released
        with pytest.raises(kren.TimedOut):
            dealer.flush(0.01)
        second = next(steps)
        assert first.released
        assert not second.released
        with pytest.raises(kren.TimedOut):
            dealer.flush(0.01)
        second.release()
        dealer.flush(PATIENCE)


def test_what_is_refused(group: str) -> None:
    with kren.Dealer(group, CAPACITY, workers=1) as dealer:
        assert not dealer.try_write(b"nobody is there")
        with pytest.raises(kren.TimedOut):
            dealer.write(b"nobody is there", 0.01)
        with kren.Worker(group) as worker:
            with pytest.raises(kren.WriterExists):
                kren.Dealer(group, CAPACITY)
            with pytest.raises(kren.NoSeat):
                kren.Worker(group)
            with pytest.raises(kren.WrongKind):
                kren.Inbox(group, CAPACITY)
            with pytest.raises(kren.TooLarge):
                dealer.write(bytes(2 * CAPACITY))
            assert not worker.is_removed
            assert not dealer.is_removed
        with pytest.raises(kren.EndpointClosed):
            worker.read(0)
    with pytest.raises(kren.EndpointClosed):
        dealer.write(b"x")


def test_a_forked_child_is_refused(group: str) -> None:
    """G10."""
    with kren.Dealer(group, CAPACITY) as dealer, kren.Worker(group) as worker:
        dealer.write(b"for the parent", PATIENCE)
        pid = os.fork()
        if pid == 0:
            told = 0
            for call in (worker.read, worker.try_read, lambda: dealer.write(b"x")):
                try:
                    call()
                except kren.Forked:
                    told += 1
            os._exit(told)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        assert bytes(worker.read(PATIENCE)) == b"for the parent"


INTERRUPTED = """
import kren, sys
{setup}
print("waits", flush=True)
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.readline()
{after}
"""


def test_ctrl_c_ends_a_read_and_loses_nothing(group: str) -> None:
    code = INTERRUPTED.format(
        setup="worker = kren.Worker(sys.argv[1])",
        wait="worker.read()",
        after="print(bytes(worker.read(30)).decode(), flush=True)",
    )
    with kren.Dealer(group, CAPACITY) as dealer, child(code, group) as waiting:
        assert waiting.line() == "waits"
        time.sleep(0.05)  # However far it has come: a signal before the wait ends it too.
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        dealer.write(b"after", PATIENCE)
        waiting.say("go on")
        assert waiting.line() == "after"


def test_ctrl_c_ends_a_write_which_has_written_nothing(group: str) -> None:
    code = INTERRUPTED.format(
        setup="dealer = kren.Dealer(sys.argv[1], 16384)",
        wait="dealer.write(b'never')",
        after="dealer.write(b'after', 30); dealer.flush(30)",
    )
    with child(code, group) as waiting:
        assert waiting.line() == "waits"
        until(waiting.sleeps)
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        with kren.Worker(group) as worker:
            waiting.say("go on")
            with worker.read(PATIENCE) as work:
                assert work == b"after"
            assert waiting.end() == 0


def test_asyncio(group: str) -> None:
    """P9, P10: a dealer and workers on one loop, one of which is cancelled in between."""
    count = 600

    async def run() -> None:
        done: Counter[int] = Counter()

        async def work(worker: kren.Worker) -> None:
            async for piece in worker:
                done[decode(piece)] += 1

        async with kren.Dealer(group, CAPACITY) as dealer:
            with pytest.raises(kren.TimedOut):
                await dealer.awrite(b"nobody is there", 0.01)
            writing = asyncio.create_task(dealer.awrite(encode(0), PATIENCE))
            one, two = kren.Worker(group, ahead=2), kren.Worker(group)
            tasks = [asyncio.create_task(work(worker)) for worker in (one, two)]
            await writing
            for at in range(1, count):
                await dealer.awrite(encode(at), PATIENCE)
                if at == count // 2:
                    tasks[0].cancel()
                    await asyncio.gather(tasks[0], return_exceptions=True)
                    tasks[0] = asyncio.create_task(work(one))
            await dealer.aflush(PATIENCE)
            dealer.close()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
            assert done == Counter(range(count))
            one.close()
            two.close()

    asyncio.run(run())


def test_an_awaiting_worker_hears_of_deaths(group: str) -> None:
    """P10: of another worker's, whose work it gets, and of the dealer's."""

    async def take(worker: kren.Worker, count: int) -> dict[int, bool]:
        got: dict[int, bool] = {}
        while len(got) < count:
            with await worker.aread(PATIENCE) as work:
                got[decode(work)] = work.redelivered
        return got

    async def run() -> None:
        with child(STOP, group) as still:
            assert still.line() == "ready"
            async with kren.Worker(group) as worker:
                with child(DEAL, group, "10") as dealer:
                    assert still.line().startswith("began")
                    assert dealer.line() == "dealt"
                    waiting = asyncio.create_task(take(worker, 10))
                    await asyncio.sleep(0.01)
                    still.kill()
                    again = await waiting
                    assert 0 < sum(again.values()) < len(again) == 10
                    last = asyncio.create_task(worker.aread(PATIENCE))
                    await asyncio.sleep(0.01)
                    dealer.kill()
                    with pytest.raises(kren.PeerDied):
                        await last

    asyncio.run(run())


def test_in_a_selector(group: str) -> None:
    with kren.Selector() as selector, kren.Worker(group) as worker:
        selector.register(worker, kren.EVENT_READ)
        with child(DEAL, group, "200") as dealer:
            got = 0
            while got < 200:
                assert len(selector.select(PATIENCE)) == 1
                while (work := worker.try_read()) is not None:
                    assert decode(work) == got
                    work.release()
                    got += 1
            assert dealer.line() == "dealt"
            dealer.kill()
            with pytest.raises(kren.PeerDied):  # noqa: PT012 - the loop is what raises
                while True:
                    selector.select(PATIENCE)
                    try:
                        worker.read(0)
                    except kren.TimedOut:
                        continue
