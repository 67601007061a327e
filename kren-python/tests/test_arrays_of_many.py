"""Arrays and tables beyond a channel: from many senders, and to many workers."""

import asyncio
from typing import Any

import kren
import numpy as np
import pyarrow as pa
import pytest

from support import PATIENCE, child, until

CAPACITY = 1 << 18

SEND = """
import sys, kren, numpy as np, pyarrow as pa
with kren.Sender(sys.argv[1], alignment=64) as sender:
    print(sender.id.number, flush=True)
    sender.write_array(np.full((3, 4), 7, "float32"), tag=5)
    sender.write_arrays(image=np.zeros((2, 2), "uint8"), boxes=np.ones(4))
    sender.write_table(pa.table({"n": [1, 2, 3]}))
    with sender.reserve_array(3, "int16") as room:
        room[:] = 9
    sender.write(b"no array")
    sender.flush(30)
"""


def test_an_inbox_reads_arrays_as_a_reader_does(group: str) -> None:
    """G2, P7: in place, with who sent it; what is no array stays the next message."""
    with kren.Inbox(group, CAPACITY) as inbox, child(SEND, group) as sender:
        number = int(sender.line())
        array = inbox.borrow_array(PATIENCE)
        assert array.sender is not None
        assert (array.tag, array.sender.number, array.sender.pid) == (5, number, sender.pid)
        assert not array.redelivered
        shown = np.asarray(array)
        assert (shown.shape, str(shown.dtype)) == ((3, 4), "float32")
        assert not shown.flags.writeable
        assert shown.ctypes.data % 64 == 0
        several = inbox.read_arrays(PATIENCE)
        assert (list(several), several["boxes"].sum()) == (["image", "boxes"], 4)
        table = inbox.read_table(PATIENCE)
        assert table.column("n").to_pylist() == [1, 2, 3]
        assert list(next(iter(inbox.arrays()))) == [9, 9, 9]
        with pytest.raises(kren.NotAnArray):
            inbox.read_array(PATIENCE)
        assert inbox.read(PATIENCE) == b"no array"
        # The sender waits until the last of them is let go.
        del array, shown, several, table
        assert sender.end() == 0


WORK = """
import sys, kren, numpy as np
worker = kren.Worker(sys.argv[1], ahead=1)
print("ready", flush=True)
array = worker.read_array(30)
print(array.dtype, int(array.sum()), flush=True)
sys.stdin.readline()
del array
print(int(worker.read_array(30, copy=True).sum()), flush=True)
several = worker.read_arrays(30)
print(sorted(several), flush=True)
del several
print(worker.read_table(30).column("n").to_pylist(), flush=True)
work = worker.borrow_array(30)
print(work.tag, work.redelivered, work.dtype, flush=True)
sys.stdin.readline()
"""


def test_work_may_be_arrays(group: str) -> None:
    """P9: done when the array is let go, and somebody else's when its worker dies over it."""
    with kren.Dealer(group, CAPACITY, alignment=64) as dealer, child(WORK, group) as worker:
        assert worker.line() == "ready"
        dealer.write_array(np.arange(6, dtype="int16").reshape(2, 3), PATIENCE)
        assert worker.line() == "int16 15"
        with pytest.raises(kren.TimedOut):
            dealer.flush(0.05)

        async def wait_for_room() -> None:
            # It takes one at a time.
            waiting = asyncio.create_task(dealer.awrite_array(np.arange(4), PATIENCE))
            await asyncio.sleep(0)
            assert not waiting.done()
            worker.say("done")
            await waiting

        asyncio.run(wait_for_room())
        assert worker.line() == "6"
        dealer.flush(PATIENCE)
        dealer.write_arrays({"a name": np.zeros(2)}, b=np.ones(3), key="k", timeout=PATIENCE)
        assert worker.line() == "['a name', 'b']"
        dealer.write_table(pa.table({"n": [4, 5]}), PATIENCE, tag=1)
        assert worker.line() == "[4, 5]"
        # In another order, and for asyncio.
        asyncio.run(dealer.awrite_array(np.eye(3)[:, ::-1], PATIENCE, tag=8, key="k"))
        assert worker.line() == "8 False float64"
        worker.kill()
        with kren.Worker(group) as heir:
            again = heir.borrow_array(PATIENCE)
            assert (again.tag, again.redelivered) == (8, True)
            assert (np.asarray(again) == np.eye(3)[:, ::-1]).all()
            del again

            def delivered() -> bool:
                # As it looks for more, it gives up the lane that it has taken over.
                assert heir.try_read() is None
                return dealer._drained() is True

            until(delivered)


def test_a_worker_awaits_arrays_until_the_dealer_closes(group: str) -> None:
    async def talk() -> list[int]:
        worker = kren.Worker(group)
        dealer = kren.Dealer(group, CAPACITY)
        dealer.write(b"", PATIENCE)
        worker.read(PATIENCE).release()
        await dealer.awrite_array(np.arange(3), PATIENCE)
        assert list(await worker.aread_array(PATIENCE)) == [0, 1, 2]
        for number in range(3):
            dealer.write_array(np.full(2, number), PATIENCE)
        dealer.write(b"no array", PATIENCE)
        seen = [int((await worker.aread_array(PATIENCE, copy=True))[0]) for _ in range(3)]
        with pytest.raises(kren.NotAnArray):
            await worker.aread_array(PATIENCE)
        # It stays this worker's.
        assert bytes(await worker.aread(PATIENCE)) == b"no array"
        dealer.write_array(np.full(2, 3), PATIENCE)
        dealer.close()
        seen += [int(array[0]) async for array in worker.arrays()]
        worker.close()
        return seen

    assert asyncio.run(talk()) == [0, 1, 2, 3]


def test_mistakes_of_a_dealer_write_nothing(group: str) -> None:
    refused: list[tuple[Any, type[Exception]]] = [
        (np.zeros(2, ">f4"), TypeError),
        (np.ma.masked_array([1, 2], [True, False]), TypeError),
        ([1.0], TypeError),
        (np.zeros(CAPACITY, "u1"), kren.TooLarge),
    ]
    with kren.Worker(group) as worker, kren.Dealer(group, CAPACITY) as dealer:
        dealer.write(b"", PATIENCE)
        for given, error in refused:
            with pytest.raises(error):
                dealer.write_array(given, PATIENCE)
            with pytest.raises(error):
                dealer.write_arrays(given=given, timeout=PATIENCE)
            with pytest.raises(error):
                asyncio.run(dealer.awrite_array(given, PATIENCE))
        with pytest.raises(ValueError, match="C order"):
            dealer.write_array(np.eye(3).T[::2], PATIENCE, copy=False)
        with pytest.raises(TypeError, match="table"):
            dealer.write_table([1], PATIENCE)
        worker.read(PATIENCE).release()
        assert worker.try_read() is None
    with kren.Dealer(group + "-none", CAPACITY) as lonely:
        with pytest.raises(kren.TimedOut):
            lonely.write_array(np.zeros(3), 0)
        with pytest.raises(kren.TimedOut):
            asyncio.run(lonely.awrite_array(np.zeros(3), 0.001))
