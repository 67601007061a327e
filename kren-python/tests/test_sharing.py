"""One endpoint, many users: threads at the same time, forked and spawned children, other programs.

Each may be refused with a clear error, and none may break the ring or leave anything behind.
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import kren
import pytest

from support import child, segment_of, until

if sys.platform != "linux":
    pytest.skip("descriptors, /dev/shm and fork, as Linux has them", allow_module_level=True)

CAPACITY = 64 * 1024
COUNT = 1500
"""Messages of each thread."""


def at_once(*works: Callable[[], None]) -> None:
    """Run each of these in a thread of its own, all at once; what one raises is raised here."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:  # noqa: BLE001 - handed on to the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def message(thread: int, number: int) -> bytes:
    body = bytes((thread * 7 + number * 13 + at) & 255 for at in range(number % 90))
    return thread.to_bytes(1, "little") + number.to_bytes(4, "little") + body


def number_of(thread: int, data: bytes) -> int:
    number = int.from_bytes(data[1:5], "little")
    assert data == message(thread, number), "a damaged message"
    return number


def retried(call: Callable[[], object]) -> None:
    """Try again as long as another thread is in the way, or there is no room."""
    while True:
        try:
            if call() is not False:
                return
        except (kren.Busy, kren.TimedOut):
            pass


def writes(writer: kren.Writer, thread: int) -> Callable[[], None]:
    """Write by every way there is, each message once."""

    def reserve(data: bytes) -> None:
        with writer.reserve(len(data), 0.01) as slot:
            slot[:] = data

    def many(data: bytes) -> object:
        # None of it is written if there is no room, or another thread is there.
        return writer.write_many([data], 0.01) == 1

    def work() -> None:
        for number in range(COUNT):
            data = message(thread, number)
            ways: list[Callable[[], object]] = [
                lambda data=data: writer.write(data, 0.01),  # type: ignore[misc]
                lambda data=data: writer.try_write(data),  # type: ignore[misc]
                lambda data=data: reserve(data),  # type: ignore[misc]
                lambda data=data: many(data),  # type: ignore[misc]
            ]
            retried(ways[number % len(ways)])

    return work


def reads(reader: kren.Reader, got: list[bytes], done: threading.Event) -> Callable[[], None]:
    """Read by every way there is, until everything has come."""

    def borrow() -> list[bytes]:
        with reader.borrow(0.01) as lease:
            return [bytes(lease)]

    def into() -> list[bytes]:
        room = bytearray(256)
        return [bytes(room[: reader.read_into(room, 0.01)])]

    def tried() -> list[bytes]:
        data = reader.try_read()
        return [] if data is None else [data]

    def work() -> None:
        ways: list[Callable[[], list[bytes]]] = [
            lambda: [reader.read(0.01)],
            tried,
            borrow,
            into,
            lambda: reader.read_many(7, 0.01),
        ]
        turn = 0
        while not done.is_set():
            turn += 1
            with suppress(kren.Busy, kren.TimedOut):
                got.extend(ways[turn % len(ways)]())

    return work


@pytest.mark.parametrize("capacity", [4096, CAPACITY])
def test_threads_that_use_one_endpoint_at_once(channel: str, capacity: int) -> None:
    """Three threads write with one writer, three read with one reader: each message comes once,
    whole, and in the order of its thread, whoever gets it; whoever is in the way is told `Busy`."""
    with kren.Writer(channel, capacity) as writer, kren.Reader(channel) as reader:
        done = threading.Event()
        got: list[list[bytes]] = [[], [], []]

        def finish() -> None:
            until(lambda: sum(map(len, got)) >= 3 * COUNT)
            done.set()

        writing = [writes(writer, thread) for thread in range(3)]
        reading = [reads(reader, mine, done) for mine in got]
        at_once(*writing, *reading, finish)
        assert reader.try_read() is None
    for thread in range(3):
        every = [[number_of(thread, data) for data in mine if data[0] == thread] for mine in got]
        together = sorted(number for mine in every for number in mine)
        assert together == list(range(COUNT)), "lost, or twice"
        for mine in every:
            assert mine == sorted(mine), "out of order"


def test_an_endpoint_closed_while_threads_use_it(channel: str) -> None:
    """Whoever comes after the close is told so, and nobody gets anything else."""
    for _ in range(20):
        with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
            up = threading.Barrier(3)

            def use(
                endpoint: kren.Writer | kren.Reader, up: threading.Barrier = up
            ) -> Callable[[], None]:
                def work() -> None:
                    up.wait()
                    while True:
                        try:
                            if isinstance(endpoint, kren.Writer):
                                endpoint.try_write(b"x")
                            else:
                                endpoint.read(0.01)
                        except (kren.Busy, kren.TimedOut):
                            continue
                        except (kren.EndpointClosed, kren.Closed):
                            return

                return work

            def close(up: threading.Barrier = up) -> None:
                up.wait()
                reader.close()
                writer.close()

            at_once(use(writer), use(reader), close)
        with kren.Reader(channel) as rest:
            while rest.try_read() == b"x":
                pass
        assert not segment_of(channel).exists()


def test_an_endpoint_moves_between_threads(channel: str) -> None:
    """Made in one thread, used in a second, closed in a third."""
    made: list[kren.Writer | kren.Reader] = []

    def make() -> None:
        made.append(kren.Writer(channel, CAPACITY))
        made.append(kren.Reader(channel))

    def use() -> None:
        writer, reader = made
        assert isinstance(writer, kren.Writer)
        assert isinstance(reader, kren.Reader)
        writer.write(b"moved")
        assert reader.read() == b"moved"

    def close() -> None:
        for endpoint in made:
            endpoint.close()

    at_once(make)
    at_once(use)
    at_once(close)
    assert not segment_of(channel).exists()


FORKED_IN_A_STREAM = """
import gc, kren, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # what it warns of is what is tested
writer = kren.Writer(sys.argv[1], 8192)
reader = kren.Reader(sys.argv[1])
COUNT = 20000
got = []

def write():
    for number in range(COUNT):
        writer.write(number.to_bytes(4, "little") * (number % 50 + 1))
    writer.close()

def read():
    got.extend(reader)

threads = [threading.Thread(target=work) for work in (write, read)]
for thread in threads:
    thread.start()
children = 0
while any(thread.is_alive() for thread in threads) and children < 40:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for use in (lambda: writer.write(b"child"), reader.read, reader.try_read):
                try:
                    use()
                except (kren.Forked, kren.Busy, kren.EndpointClosed):
                    continue
                os._exit(2)
            status = 0
        finally:
            if children % 3 == 0:
                writer.close(); reader.close()
            elif children % 3 == 1:
                del writer, reader; gc.collect()
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    children += 1
for thread in threads:
    thread.join()
assert got == [number.to_bytes(4, "little") * (number % 50 + 1) for number in range(COUNT)]
reader.close()
print("children:", children > 0, flush=True)
"""


def test_children_forked_in_the_middle_of_a_stream(channel: str) -> None:
    """G10: wherever the other threads happen to be, a child gets an error, and changes nothing."""
    with child(FORKED_IN_A_STREAM, channel) as forking:
        assert forking.line() == "children: True"
        assert forking.end() == 0
    assert not segment_of(channel).exists()


INHERITED_BY_WORKERS = """
import kren, multiprocessing, sys
writer = kren.Writer(sys.argv[1], 4096)
reader = kren.Reader(sys.argv[1])

def use(_):
    outcome = []
    for call in (lambda: writer.write(b"worker"), reader.read, writer.flush):
        try:
            call()
        except kren.KrenError as error:
            outcome.append(type(error).__name__)
    own = f"{sys.argv[1]}-{multiprocessing.current_process().name}"
    with kren.Writer(own, 4096) as mine, kren.Reader(own) as back:
        mine.write(b"own")
        outcome.append(back.read())
    return outcome

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for outcome in pool.map(use, range(8)):
            assert outcome == ["Forked", "Forked", "Forked", b"own"], outcome
    writer.write(b"the parent's")
    assert reader.read() == b"the parent's"
    try:
        multiprocessing.get_context("spawn").Process(target=print, args=(writer,)).start()
    except TypeError as error:
        print(error, flush=True)
    assert reader.writer_state == writer.reader_state == "attached"
"""


def test_endpoints_in_workers_of_multiprocessing(channel: str) -> None:
    """A forked worker is told `Forked`, and may have channels of its own; to a spawned one an
    endpoint cannot be sent."""
    with child(INHERITED_BY_WORKERS, channel) as starting:
        assert "pickle" in starting.line()
        assert starting.end() == 0
    left = [path.name for path in Path("/dev/shm").iterdir() if channel in path.name]  # noqa: S108
    assert left == []


def test_a_started_program_inherits_nothing(channel: str) -> None:
    """Also not with close_fds=False: its descriptors and roles are the parent's alone."""
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel):
        writer.write(b"x")
        listed = subprocess.run(
            ["ls", "-l", "/proc/self/fd"],
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "shm" not in listed, listed


BECOMES_ANOTHER = """
import kren, os, sys
writer = kren.Writer(sys.argv[1], 4096)
writer.write(b"committed")
print("up", flush=True)
sys.stdin.readline()
os.execv("/bin/sleep", ["sleep", "600"])
"""


def test_a_process_that_becomes_another_program_is_gone(channel: str) -> None:
    """G4: it has not closed, so that is a death, although the process lives."""
    with child(BECOMES_ANOTHER, channel) as becoming, kren.Reader(channel, timeout=30) as reader:
        assert becoming.line() == "up"
        assert reader.read() == b"committed"
        becoming.say("go")
        with pytest.raises(kren.PeerDied):
            reader.read()
        assert becoming.process.poll() is None
        kren.Writer(channel, 4096).close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_thousands_of_channels_one_after_the_other_leave_nothing(channel: str) -> None:
    def cycle() -> None:
        with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
            writer.write(b"x")
            lease = reader.borrow()
            assert bytes(lease) == b"x"
            with pytest.raises(kren.WriterExists):
                kren.Writer(channel, 4096)
            lease.release()
        with pytest.raises(kren.NotFound):
            kren.Reader(channel)

    cycle()
    before = descriptors()
    threads = threading.active_count()
    # A refusal takes 10 ms, so the most of them go without.
    for number in range(3000):
        if number % 100 == 0:
            cycle()
        else:
            with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
                writer.write(b"x")
                assert reader.read() == b"x"
    assert descriptors() == before
    assert threading.active_count() == threads
    assert not segment_of(channel).exists()


MANY = """
import kren, os, resource, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(10000, hard), hard))
pairs = []
for number in range(1000):
    name = f"{sys.argv[1]}-{number}"
    pairs.append((kren.Writer(name, 4096), kren.Reader(name)))
for turn in range(3):
    for number, (writer, _) in enumerate(pairs):
        writer.write(b"%d %d" % (turn, number))
    for number, (_, reader) in enumerate(pairs):
        assert reader.read() == b"%d %d" % (turn, number)
print(len(pairs), flush=True)
"""


def test_a_thousand_channels_at_once(channel: str) -> None:
    with child(MANY, channel) as holding:
        assert holding.line() == "1000"
        assert holding.end() == 0
    left = [path.name for path in Path("/dev/shm").iterdir() if channel in path.name]  # noqa: S108
    assert left == []


def test_a_process_without_descriptors_is_told_so(channel: str) -> None:
    code = """
import errno, kren, os, resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for left in range(3):
    try:
        kren.Writer(sys.argv[1], 4096)
        print("it worked")
    except OSError as error:
        assert isinstance(error, kren.KrenError) and error.errno == errno.EMFILE, error
        assert not os.path.exists(f"/dev/shm/kren-{sys.argv[1]}")
    os.close(taken.pop())
for fd in taken:
    os.close(fd)
kren.Writer(sys.argv[1], 4096).close()
"""
    with child(code, channel) as starved:
        assert starved.line() == ""
        assert starved.end() == 0
