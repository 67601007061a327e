"""Real processes: crashes, exits without close, fork, spawn, long streams."""

import hashlib
import random
import sys
from contextlib import ExitStack

import kren
import pytest

from support import child, segment_of, until

CAPACITY = 64 * 1024


def test_the_message_waits_for_a_reader_that_comes_after_the_writer_has_ended(
    channel: str,
) -> None:
    """The quick start: nobody calls close()."""
    code = """
import kren, sys
writer = kren.Writer(sys.argv[1], 1024 * 1024)
writer.write(b"Hello from Python!")
"""
    with child(code, channel) as writing:
        assert writing.end() == 0
    with kren.Reader(channel) as reader:
        assert reader.writer_state == "closed"
        assert reader.read() == b"Hello from Python!"
        with pytest.raises(kren.Closed):
            reader.read()
    assert not segment_of(channel).exists()


WAYS_TO_KEEP_IT = {
    "global of the main module": "writer = make()",
    "global of another module": "import json; json.writer = make()",
    "reference cycle": "class C: pass\nc = C(); c.c = c; c.writer = make(); del c",
    "reference that is never given back": (
        "import ctypes; ctypes.pythonapi.Py_IncRef(ctypes.py_object(make()))"
    ),
    "builtins": "import builtins; builtins.writer = make()",
    "thread that is not joined": (
        "import threading\n"
        "local = threading.local()\n"
        "def work(): local.writer = make(); started.set(); threading.Event().wait()\n"
        "started = threading.Event()\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "started.wait()"
    ),
    "traceback": "try:\n    writer = make(); 1 / 0\nfinally: print('dies', flush=True)",
    "sys.exit": "writer = make(); sys.exit(0)",
}


@pytest.mark.parametrize("way", WAYS_TO_KEEP_IT)
def test_the_end_of_a_process_is_a_clean_close(channel: str, way: str) -> None:
    code = f"""
import kren, sys

def make():
    writer = kren.Writer(sys.argv[1], 4096)
    writer.write(b"last words")
    return writer

{WAYS_TO_KEEP_IT[way]}
"""
    with child(f"import sys; sys.stderr.close()\n{code}", channel) as ending:
        ending.end()
    with kren.Reader(channel) as reader:
        assert reader.writer_state == "closed"
        assert list(reader) == [b"last words"]


def test_a_killed_writer_is_told_from_a_closed_one(channel: str) -> None:
    """G3, G4: everything it committed, then PeerDied; again until a new writer comes."""
    code = """
import kren, sys
writer = kren.Writer(sys.argv[1], 65536)
for number in range(10):
    writer.write(b"%d" % number)
print("written", flush=True)
input()
"""
    with child(code, channel) as writing:
        assert writing.line() == "written"
        with kren.Reader(channel) as reader:
            assert reader.read() == b"0"
            writing.kill()
            assert reader.writer_closed
            assert reader.writer_state == "died"
            assert [reader.read() for _ in range(1, 10)] == [b"%d" % n for n in range(1, 10)]
            with pytest.raises(kren.PeerDied, match=str(writing.pid)):
                reader.read()
            with pytest.raises(kren.PeerDied):
                next(reader)
            with kren.Writer(channel, CAPACITY) as writer:
                writer.write(b"goes on")
                assert reader.read() == b"goes on"


def test_a_reader_that_waits_is_told_of_the_writers_death(channel: str) -> None:
    code = """
import kren, sys
writer = kren.Writer(sys.argv[1], 4096)
print("open", flush=True)
input()
"""
    with child(code, channel) as writing:
        assert writing.line() == "open"
        reading_code = """
import kren, sys
reader = kren.Reader(sys.argv[1])
print("waits", flush=True)
try:
    reader.read()
except BrokenPipeError as error:
    print(type(error).__name__, flush=True)
"""
        with child(reading_code, channel) as reading:
            assert reading.line() == "waits"
            until(reading.sleeps)
            writing.kill()
            assert reading.line() == "PeerDied"
            assert reading.end() == 0


def test_a_writer_that_waits_is_told_of_the_readers_death(channel: str) -> None:
    code = """
import kren, sys
reader = kren.Reader(sys.argv[1])
print("open", flush=True)
input()
"""
    with kren.Writer(channel, 4096) as writer:
        writer.write(bytes(writer.max_message_len))
        with child(code, channel) as reading:
            assert reading.line() == "open"
            reading.kill()
        assert writer.reader_state == "died"
        with pytest.raises(kren.PeerDied):
            writer.write(b"no room")
        with pytest.raises(kren.PeerDied):
            writer.flush()


COUNTING_WRITER = """
import kren, sys
with kren.Writer(sys.argv[1], 65536) as writer:
    print("open", flush=True)
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        writer.write(number.to_bytes(8, "little") + bytes(number % 200))
"""


def test_a_writer_killed_in_mid_stream_and_restarted(channel: str) -> None:
    """G3: every committed message once, in order, over kills at arbitrary moments."""
    expected = 0
    chance = random.Random(7)  # noqa: S311 - to vary the moment, not to keep a secret
    with ExitStack() as stack:
        reader = None
        for _ in range(10):
            # What the dead writer did not commit, the next one writes.
            with child(COUNTING_WRITER, channel, str(expected), "100000000") as writing:
                assert writing.line() == "open"
                reader = reader or stack.enter_context(kren.Reader(channel))
                for _ in range(chance.randrange(1, 2000)):
                    expected = check(reader.read(), expected)
                writing.kill()
                left: list[bytes] = []
                with pytest.raises(kren.PeerDied):
                    left.extend(reader)
                for message in left:
                    expected = check(message, expected)


def check(message: bytes, number: int) -> int:
    assert message == number.to_bytes(8, "little") + bytes(number % 200)
    return number + 1


def test_a_reader_killed_in_mid_stream_and_restarted(channel: str) -> None:
    """G3: the next reader starts at a message the dead one may have seen, and misses none."""
    code = """
import kren, sys
for message in kren.Reader(sys.argv[1]):
    print(int.from_bytes(message, "little"), flush=True)
"""
    with kren.Writer(channel, 4096) as writer:
        written = 0

        def fill() -> None:
            nonlocal written
            while writer.try_write(written.to_bytes(8, "little")):
                written += 1

        with child(code, channel) as reading:
            seen = -1
            while seen < 500:
                fill()
                seen = int(reading.line())
            reading.kill()
            while line := reading.line():
                seen = int(line)
        fill()
        with kren.Reader(channel) as reader:
            first = int.from_bytes(reader.read(), "little")
            # One message may have been taken and not yet printed.
            assert seen < first <= seen + 2
            rest = [int.from_bytes(reader.read(), "little") for _ in range(first + 1, written)]
            assert rest == list(range(first + 1, written))
            assert reader.try_read() is None


def test_a_second_process_is_refused_by_name_of_the_first(channel: str) -> None:
    """G5."""
    code = """
import kren, sys
writer = kren.Writer(sys.argv[1], 4096)
reader = kren.Reader(sys.argv[1])
print("open", flush=True)
input()
"""
    with child(code, channel) as holder:
        assert holder.line() == "open"
        with pytest.raises(kren.WriterExists, match=str(holder.pid)):
            kren.Writer(channel, 4096)
        with pytest.raises(kren.ReaderExists, match=str(holder.pid)):
            kren.Reader(channel)
        holder.say("")
        assert holder.end() == 0


def test_a_stream_of_every_length_between_processes(channel: str) -> None:
    """G1: contents hashed on both sides."""
    code = """
import hashlib, kren, random, sys
chance = random.Random(1)
block = chance.randbytes(65536)
digest = hashlib.sha256()
with kren.Writer(sys.argv[1], 256 * 1024) as writer:
    print("open", flush=True)
    for number in range(20000):
        start, length = number % 8192, chance.choice((0, 1, 7, 8, 9, 64, 1000, 4096, 57344))
        writer.write(memoryview(block)[start : start + length])
        digest.update(block[start : start + length])
        digest.update(length.to_bytes(4, "little"))
print(digest.hexdigest())
"""
    digest = hashlib.sha256()
    with child(code, channel) as writing:
        assert writing.line() == "open"
        with kren.Reader(channel) as reader:
            for message in reader:
                digest.update(message)
                digest.update(len(message).to_bytes(4, "little"))
        assert writing.line() == digest.hexdigest()


FORKED = """
import asyncio, kren, os, sys
writer = kren.Writer(sys.argv[1], 4096)
reader = kren.Reader(sys.argv[1])
writer.write(b"the parent's")
pid = os.fork()
if pid == 0:
    uses = [
        lambda: writer.write(b""), lambda: writer.try_write(b""), writer.flush,
        lambda: writer.write(bytearray(b"")), lambda: writer.write_many([]),
        lambda: writer.write_many([b""]), lambda: writer.reserve(1),
        lambda: writer.available, lambda: writer.reader_state,
        lambda: asyncio.run(writer.awrite(b"")), lambda: asyncio.run(writer.aflush()),
        reader.read, reader.try_read, lambda: next(reader), reader.read_tagged,
        reader.try_read_tagged, reader.read_many, reader.borrow,
        lambda: reader.read_into(bytearray(99)), reader.wait_for_writer,
        lambda: reader.available, lambda: reader.held, lambda: reader.writer_closed,
        lambda: reader.writer_state, lambda: asyncio.run(reader.aread()),
        lambda: asyncio.run(reader.await_writer()),
    ]
    for number, use in enumerate(uses):
        try:
            use()
        except kren.Forked:
            continue
        os._exit(100 + number)
    if writer.name != sys.argv[1] or reader.closed:
        os._exit(2)
    {end}
_, status = os.waitpid(pid, 0)
assert status == 0, status
assert writer.reader_state == reader.writer_state == "attached"
assert reader.read() == b"the parent's"
writer.write(b"goes on")
assert reader.read() == b"goes on"
"""


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(0)",
        "sys.exit(0)",
        "writer.close(); reader.close(); os._exit(0)",
        "del writer, reader, uses, use; os._exit(0)",
    ],
)
def test_a_forked_child_is_refused_and_leaves_its_parent_alone(channel: str, end: str) -> None:
    """G10."""
    with child(FORKED.replace("{end}", end), channel) as forking:
        assert forking.end() == 0
    assert not segment_of(channel).exists()


FORKED_WHILE_AWAITING = """
import asyncio, kren, os, sys

async def main():
    reader = kren.Reader(sys.argv[1])
    task = asyncio.create_task(reader.aread())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    pid = os.fork()
    if pid == 0:
        reader.close()
        del reader
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    print("forked", flush=True)
    print((await task).decode(), flush=True)

asyncio.run(main())
"""


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork_while_a_task_awaits(channel: str) -> None:
    with kren.Writer(channel, 4096) as writer, child(FORKED_WHILE_AWAITING, channel) as forking:
        assert forking.line() == "forked"
        writer.write(b"the parent's")
        assert forking.line() == "the parent's"
        assert forking.end() == 0


MULTIPROCESSING = """
import kren, multiprocessing, sys
from worker import keep_and_write

multiprocessing.set_start_method(sys.argv[2])
process = multiprocessing.Process(target=keep_and_write, args=(sys.argv[1],))
process.start()
process.join()
assert process.exitcode == 0
with kren.Reader(sys.argv[1]) as reader:
    assert reader.writer_state == "closed", reader.writer_state
    assert list(reader) == [b"from the child"]
"""


@pytest.mark.parametrize(
    "method", ["fork", "spawn", "forkserver"] if sys.platform != "win32" else ["spawn"]
)
def test_the_end_of_a_multiprocessing_child_is_a_clean_close(channel: str, method: str) -> None:
    """Such children leave through os._exit, without atexit."""
    with child(MULTIPROCESSING, channel, method) as starting:
        assert starting.end() == 0


def test_errors_come_back_from_multiprocessing_workers(channel: str) -> None:
    code = """
import kren, multiprocessing, sys
from worker import connect

with multiprocessing.get_context("spawn").Pool(1) as pool:
    try:
        pool.apply(connect, (sys.argv[1],))
    except kren.NotFound as error:
        assert error.channel == sys.argv[1]
        print("NotFound")
"""
    with child(code, channel) as starting:
        assert starting.line() == "NotFound"
        assert starting.end() == 0


def test_sub_interpreters_are_refused_at_import(channel: str) -> None:
    code = """
try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters
import kren
made = interpreters.create()
interpreters.run_string(made, '''
try:
    import kren
except ImportError:
    print("refused", flush=True)
''')
"""
    with child(code, channel) as trying:
        assert trying.line() == "refused"
