"""Descriptors that somebody else closes, streams that are not there, and inherited endpoints.

Daemons close every descriptor by its number, and the next files get the numbers.
"""

import subprocess
import sys
from pathlib import Path

import kren
import pytest

from support import PATIENCE, child, segment_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors as Linux numbers them")

FILES = """
import os, sys, tempfile, kren
def files():
    return [tempfile.TemporaryFile() for _ in range(16)]
def check(opened):
    for file in opened:
        os.fstat(file.fileno())
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 0
        assert os.fstat(file.fileno()).st_size == 0
"""


def run(code: str, *arguments: str) -> None:
    command = [sys.executable, "-X", "faulthandler", "-c", FILES + code, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_daemon_keeps_its_files(channel: str) -> None:
    run(
        """
import asyncio
writer, reader = kren.Writer(sys.argv[1], 4096), kren.Reader(sys.argv[1])
async def wait():
    task = asyncio.create_task(reader.aread())
    await asyncio.sleep(0)
    task.cancel()
asyncio.run(wait())
pid = os.fork()
if not pid:
    try:
        os.closerange(3, 200)
        opened = files()
        for of in (
            lambda: writer.reader_state, lambda: writer.available, lambda: writer.write(b"x"),
            lambda: writer.write_many([]), lambda: writer.try_write(b"x"),
            lambda: writer.reserve(1), lambda: writer.flush(timeout=0),
            lambda: reader.writer_state, lambda: reader.writer_closed,
            lambda: reader.available, lambda: reader.held, lambda: reader.read(timeout=0),
            lambda: reader.try_read(), lambda: reader.read_many(timeout=0),
            lambda: reader.borrow(timeout=0),
            lambda: reader.read_into(bytearray(9), timeout=0), lambda: next(reader),
        ):
            try:
                of()
            except kren.Forked:
                continue
            os._exit(2)
        writer.close()
        del writer, reader
        import gc; gc.collect()
        check(opened)
        own = kren.Writer(sys.argv[1] + "-own", 4096)
        own.write(b"x")
        assert kren.Reader(sys.argv[1] + "-own").read() == b"x"
        own.close()
    except BaseException:
        import traceback; traceback.print_exc()
        os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert writer.reader_state == reader.writer_state == "attached"
writer.write(b"after")
assert reader.read() == b"after"
""",
        channel,
    )
    assert not segment_of(channel).exists()


def test_a_process_that_closes_all_descriptors_keeps_its_roles_and_files(channel: str) -> None:
    code = """
import asyncio
writer, reader = kren.Writer(sys.argv[1], 4096), kren.Reader(sys.argv[2])
async def wait():
    task = asyncio.create_task(reader.aread())
    await asyncio.sleep(0)
    task.cancel()
loop = asyncio.new_event_loop()
loop.run_until_complete(wait())
os.closerange(3, 200)
opened = files()
print("closed", flush=True)
input()
try:
    kren.Writer(sys.argv[1], 4096)
except kren.WriterExists:
    pass
else:
    sys.exit("a second live writer")
for of in (
    lambda: reader.read(), lambda: reader.writer_state, lambda: reader.writer_closed,
    lambda: writer.reader_state, lambda: writer.available,
):
    try:
        of()
    except kren.Io as error:
        assert "its lock was closed by this process" in str(error), error
    else:
        sys.exit("nobody noticed")
writer.close()
reader.close()
del writer, reader
check(opened)
"""
    other = f"{channel}-other"
    with kren.Writer(other, 4096) as theirs, child(FILES + code, channel, other) as process:
        assert process.line() == "closed"
        with pytest.raises(kren.WriterExists):
            kren.Writer(channel, 4096)
        assert theirs.reader_state == "attached"
        process.say("go on")
        assert process.end() == 0
        assert str(theirs.reader_state) == "closed"
    assert not segment_of(channel).exists()
    assert not segment_of(other).exists()


def test_no_endpoint_takes_the_place_of_a_standard_stream(channel: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"""
import os, sys, kren
os.closerange(0, 3)
writer, reader = kren.Writer(sys.argv[1], 4096), kren.Reader(sys.argv[1])
from kren._kren import Notifier
notifier = Notifier("x")
taken = []
for fd in range(3):
    try:
        os.fstat(fd)
    except OSError:
        continue
    taken.append(fd)
try:
    os.write(1, b"printed")
except OSError:
    pass
writer.write(b"x")
open({str(log)!r}, "w").write(f"{{taken}} {{reader.read()}} {{notifier.fileno() > 2}}")
"""
    subprocess.run([sys.executable, "-c", code, channel], timeout=PATIENCE, check=True)
    assert log.read_text() == "[] b'x' True"
    assert not segment_of(channel).exists()


def test_reserving_much_memory_can_be_interrupted(channel: str) -> None:
    """Also by a handler that raises something of its own."""
    run(
        """
import signal, time
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.05)
start = time.monotonic()
try:
    kren.Writer(sys.argv[1], 4 << 30)
except Stop:
    pass
except kren.OutOfMemory:
    print("no such memory here")
else:
    sys.exit("it was made")
assert kren.Writer(sys.argv[1], 4096).capacity == 4096
""",
        channel,
    )
    assert not segment_of(channel).exists()
