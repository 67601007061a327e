"""The end of the interpreter: whatever runs then may still use its endpoints, and nothing aborts.

Python code runs late in many ways: finalizers, generators, exit handlers, threads that nobody
joins. Each program here does so in a process of its own. It must end with its own status, say
nothing of a crash, and leave its channel cleanly closed with every message in it.
"""

import subprocess
import sys
from pathlib import Path

import kren
import pytest

from support import PATIENCE

HEAD = """
import kren, sys
name = sys.argv[1]
"""

HOLDER = """
class Holder:
    def __init__(self, last=b"bye", **options):
        self.writer = kren.Writer(name, 65536, **options)
        self.last = last
    def __del__(self):
        self.writer.write(self.last)
"""

DELIVERS = {
    "a finalizer of a global": HOLDER + "holder = Holder()",
    "a finalizer of a global of another module": (
        HOLDER + "import json; json.holder = Holder(); del Holder"
    ),
    "a finalizer of a global of a module that is built in": (
        HOLDER + "import builtins; builtins.holder = Holder()"
    ),
    "a finalizer where multiprocessing is in use": (
        HOLDER + "import multiprocessing.util; holder = Holder()"
    ),
    "a finalizer after a fork": HOLDER
    + """
import os
holder = Holder()
pid = os.fork()
if pid == 0:
    # The child's copy of it: refused, and its parent's left alone.
    try:
        holder.__del__()
    except kren.Forked:
        os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
""",
    "a finalizer of a child that ends as its parent does": HOLDER
    + """
import os
pid = os.fork()
if pid == 0:
    holder = Holder()
else:
    assert os.waitpid(pid, 0)[1] == 0
""",
    "a finalizer in a cycle": HOLDER + "holder = Holder(); holder.self = holder; del holder",
    "a finalizer that leaves the short way": HOLDER + "holder = Holder(bytearray(b'bye'))",
    "a finalizer that has to wait": """
class Holder:
    def __init__(self):
        self.reader = kren.Reader(name)
        self.writer = writer
    def __del__(self):
        self.writer.write(b"bye")
        try:
            self.writer.write(bytes(65000), timeout=0.01)
        except self.timed_out as error:
            assert "no room" in str(error) or name in str(error), str(error)
        else:
            assert False
writer = kren.Writer(name, 65536)
writer.write(bytes(60000))
holder = Holder()
holder.timed_out = kren.TimedOut
assert len(holder.reader.read()) == 60000
assert writer.try_write(bytes(60000))
assert len(holder.reader.read()) == 60000
lease_keeper = None
for _ in range(3):
    writer.write(bytes(10000))
held = [holder.reader.borrow() for _ in range(3)]
import builtins
builtins.held = held
""",
    "a generator's finally": """
def generate():
    writer = kren.Writer(name, 65536)
    try:
        yield
    finally:
        writer.write(bytearray(b"bye"))
        writer.close()
generator = generate()
next(generator)
""",
    "a generator's context manager": """
def generate():
    with kren.Writer(name, 65536) as writer:
        try:
            yield
        finally:
            writer.write(b"bye")
generator = generate()
next(generator)
""",
    "a context manager that is left open": """
import contextlib
@contextlib.contextmanager
def opened():
    with kren.Writer(name, 65536) as writer:
        try:
            yield writer
        finally:
            writer.write(b"bye")
stack = contextlib.ExitStack()
stack.enter_context(opened())
""",
    "an exit handler from before the import": """
import atexit
del sys.modules["kren"]
atexit.register(lambda: writer.write(b"bye"))
writer = kren.Writer(name, 65536)
""",
    "an exit handler that opens": """
import atexit
def bye():
    global writer
    writer = kren.Writer(name, 65536)
    writer.write(b"bye")
atexit.register(bye)
""",
    "a finalizer that opens": """
class Late:
    Writer = kren.Writer
    def __del__(self):
        with self.Writer(name, 65536) as writer:
            writer.write(b"bye")
late = Late()
""",
    "a weak reference's callback": """
import weakref
class Thing: pass
thing = Thing()
writer = kren.Writer(name, 65536)
weakref.finalize(thing, writer.write, b"bye")
""",
    "a slot in a finalizer": """
class Holder:
    def __init__(self):
        self.writer = kren.Writer(name, 65536)
    def __del__(self):
        with self.writer.reserve(10) as slot:
            slot[:3] = b"bye"
            slot.commit(3)
holder = Holder()
""",
    "several messages in a finalizer": """
class Holder:
    def __init__(self):
        self.writer = kren.Writer(name, 65536)
    def __del__(self):
        assert self.writer.write_many([b"bye"]) == 1
holder = Holder()
""",
    "a finalizer of a thread's local": """
import threading
"""
    + HOLDER
    + """
local = threading.local()
local.holder = Holder()
""",
    "a thread that is joined at the end": """
import threading
def work():
    threading.main_thread().join()
    with kren.Writer(name, 65536) as writer:
        writer.write(b"bye")
threading.Thread(target=work).start()
""",
    "a thread that nobody joins": """
import threading
def work():
    writer.write(b"bye")
    written.set()
    while True:
        writer.try_write(bytes(70000))  # too large: the long way, over and over
writer, written = kren.Writer(name, 65536), threading.Event()
def quietly():
    try:
        work()
    except kren.TooLarge:
        threading.Event().wait()
threading.Thread(target=quietly, daemon=True).start()
written.wait()
""",
    "a thread that nobody joins, waiting": """
import threading, time
def work():
    writer.write(b"bye")
    written.set()
    writer.flush()
writer, written = kren.Writer(name, 65536), threading.Event()
threading.Thread(target=work, daemon=True).start()
written.wait()
time.sleep(0.05)
""",
    "a thread that nobody joins, opening after the exit handlers": """
import atexit, threading
def work():
    ended.wait()
    writer = kren.Writer(name, 65536)
    writer.write(b"bye")
    written.set()
    threading.Event().wait()
def end():
    ended.set()
    assert written.wait(10)
ended, written = threading.Event(), threading.Event()
threading.Thread(target=work, daemon=True).start()
# Before the import, so after all that kren may have registered.
atexit._clear()
atexit.register(end)
""",
    "a thread that opens while everything goes": """
import atexit, threading
def work():
    ended.wait()
    writers.append(kren.Writer(name, 65536))
    writers[0].write(b"bye")
    written.set()
    while True:
        writers[0].available
        try:
            kren.Reader(name + "-missing", timeout=0.001)
        except OSError:
            pass
def end():
    ended.set()
    assert written.wait(10)
writers, ended, written = [], threading.Event(), threading.Event()
threading.Thread(target=work, daemon=True).start()
atexit.register(end)
""",
    "a reference that is never given back": """
import ctypes
writer = kren.Writer(name, 65536)
writer.write(b"bye")
ctypes.pythonapi.Py_IncRef(ctypes.py_object(writer))
""",
    "an event loop that is never closed": """
import asyncio
async def work():
    writer.write(b"bye")
    await reading.aread()
writer = kren.Writer(name, 65536)
other = kren.Writer(name + "-other", 4096)
reading = kren.Reader(name + "-other")
loop = asyncio.new_event_loop()
task = loop.create_task(work())
loop.run_until_complete(asyncio.sleep(0.01))
task._log_destroy_pending = False
""",
    "a task that is cancelled at the end": """
import asyncio
async def work():
    writer = kren.Writer(name, 65536)
    try:
        await reading.aread()
    finally:
        await writer.awrite(b"bye")
async def main():
    global task
    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
other = kren.Writer(name + "-other", 4096)
reading = kren.Reader(name + "-other")
asyncio.run(main())
""",
    "an asynchronous generator that is left": """
import asyncio
async def generate():
    with kren.Writer(name, 65536) as writer:
        try:
            yield
        finally:
            writer.write(b"bye")
async def main():
    global generator
    generator = generate()
    await anext(generator)
asyncio.run(main())
""",
    "another interpreter": """
try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters
writer = kren.Writer(name, 65536)
made = interpreters.create()
interpreters.run_string(made, '''
try:
    import kren
except ImportError:
    pass
class Late:
    def __del__(self):
        try:
            import kren
        except ImportError:
            pass
late = Late()
''')
writer.write(b"bye")
""",
    "an exception": """
writer = kren.Writer(name, 65536)
writer.write(b"bye")
def fails():
    with writer.reserve(10) as slot:
        keep.append(memoryview(slot))
        sys.exit(0)
keep = []
fails()
""",
}


def run(code: str, channel: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", HEAD + code, channel],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=Path(__file__).parent,
    )


@pytest.mark.parametrize("program", DELIVERS)
def test_what_runs_at_the_end_still_delivers(channel: str, program: str) -> None:
    """G4: and the end is a clean close."""
    ended = run(DELIVERS[program], channel)
    assert (ended.returncode, ended.stderr) == (0, "")
    with kren.Reader(channel) as reader:
        assert reader.writer_state == "closed"
        assert b"bye" in list(reader)


FAILS = {
    "a closed endpoint": ("writer.close()", "self.writer.write(b'x')", "EndpointClosed"),
    "too large a message": ("", "self.writer.write(bytes(70000))", "TooLarge"),
    "too large a message, tried": ("", "self.writer.try_write(bytes(70000))", "TooLarge"),
    "no room": ("", "self.writer.write_many([bytes(30000)] * 3, timeout=0.01)", "TimedOut"),
    "a second writer": ("", "self.kren_writer(name, 65536)", "WriterExists"),
    "a bad name": ("", "self.kren_writer('no/name', 65536)", "InvalidName"),
    "a bad capacity": ("", "self.kren_writer('name', -1)", "InvalidCapacity"),
    "a channel that is not there": ("", "self.kren_reader(name + '-missing')", "NotFound"),
    "an empty channel": ("", "self.reader.read(timeout=0)", "TimedOut"),
    "an empty channel, lent": ("", "self.reader.borrow(timeout=0.01)", "TimedOut"),
    "an empty channel, into a buffer": (
        "",
        "self.reader.read_into(bytearray(10), timeout=0)",
        "TimedOut",
    ),
    "an empty channel, many": ("", "self.reader.read_many(timeout=0.01)", "TimedOut"),
    "a closed reader": ("reader.close()", "self.reader.try_read()", "EndpointClosed"),
    "a closed reader, iterated": ("reader.close()", "next(self.reader)", "EndpointClosed"),
    "a closed reader, asked": ("reader.close()", "self.reader.available", "EndpointClosed"),
}


@pytest.mark.parametrize("where", ["__main__", "builtins"])
@pytest.mark.parametrize("case", FAILS)
def test_what_fails_at_the_end_fails_as_ever(channel: str, case: str, where: str) -> None:
    """A KrenError with its text, whatever of the modules is gone by then."""
    before, use, error = FAILS[case]
    code = f"""
class Holder:
    kren_writer, kren_reader = kren.Writer, kren.Reader
    def __init__(self):
        self.writer, self.reader = writer, reader
    def __del__(self, _report=sys.__stderr__.write, _flush=sys.__stderr__.flush):
        {use}
import {where} as place
name = sys.argv[1]
writer, reader = kren.Writer(name, 65536), kren.Reader(name)
place.holder = Holder()
{before}
del writer, reader
place.name, place.bytes, place.bytearray = name, bytes, bytearray
"""
    ended = run(code, channel)
    assert ended.returncode == 0, ended.stderr
    assert f"kren.{error}" in ended.stderr or f"\n{error}" in ended.stderr, ended.stderr
