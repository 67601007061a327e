"""The stubs: they describe the binary, and what a user writes is checked as it should be."""

import subprocess
import sys
from pathlib import Path

import kren

ROOT = Path(__file__).parent.parent

USES = """
import array
from typing import assert_type

import kren

with kren.Writer("name", 4096, mode=0o600, alignment=64, fresh=True) as writer:
    assert_type(writer, kren.Writer)
    assert_type(writer.write(b"", timeout=None, tag=1), None)
    assert_type(writer.try_write(bytearray()), bool)
    writer.write(memoryview(b""))
    writer.write(array.array("d"))
    assert_type(writer.available, int)
    writer.drain(1.5)
    assert_type(writer.write_many([b"", bytearray()], timeout=1), int)
    with writer.reserve(10, tag=1) as slot:
        assert_type(slot, kren.Slot)
        slot[:4] = b"head"
        slot[4] = 1
        memoryview(slot)[5:] = b"tails"
        assert_type(slot.commit(8), None)

with kren.Reader("name", timeout=None, strategy="spin") as reader:
    assert_type(reader.read(), bytes)
    assert_type(reader.try_read(), bytes | None)
    assert_type(reader.read_tagged(1), tuple[int, bytes])
    assert_type(reader.read_many(10, timeout=None), list[bytes])
    with reader.borrow(timeout=1) as lease:
        assert_type(lease, kren.Lease)
        assert_type(lease[0], int)
        assert_type(lease[:4], memoryview)
        assert_type(bytes(lease), bytes)
        writer.write(lease)
    assert_type(reader.held, int)
    assert_type(reader.wait_for_writer(timeout=None), None)
    assert_type(reader.writer_closed, bool)
    assert_type([message for message in reader], list[bytes])
    assert reader.writer_state != "closed"

with kren.Publisher("name", 4096, subscribers=4, evict_after=1.5) as publisher:
    assert_type(publisher.wait_for_subscribers(2, timeout=1), None)
    for known in publisher.subscribers:
        assert_type(known, kren.SubscriberInfo)
        assert_type(known.pid, int)
        assert_type(known.behind, int)
        assert_type(known.lossy, bool)
        assert known.state == "attached"
    assert_type(publisher.write(b"", 1, tag=2), None)

with kren.Subscriber("name", start=7, durable="log", live=True) as subscriber:
    assert_type(subscriber, kren.Subscriber)
    try:
        assert_type(subscriber.read(1), bytes)
    except (kren.Lagged, kren.Evicted) as lost:
        assert_type(lost.missed, int)
    assert_type(subscriber.position, int)
    assert_type([message for message in subscriber], list[bytes])
    assert_type(subscriber.unsubscribe(), None)


async def use() -> None:
    assert_type(await reader.aread(timeout=1), bytes)
    assert_type(await reader.aread_tagged(), tuple[int, bytes])
    await writer.awrite(b"", 1, tag=2)
    assert_type(await writer.aflush(1), None)
    assert_type(await reader.await_writer(timeout=1), None)
    async with await kren.connect("name", 1, live=True, start="newest") as other:
        assert_type(other, kren.Reader)
    async with kren.Writer("name", 4096) as another:
        assert_type(another, kren.Writer)
    another.close(discard=True)
    assert_type(await kren.subscribe("name", lossy=True, start="oldest"), kren.Subscriber)
    assert_type(await publisher.await_subscribers(2, timeout=1), None)
    await publisher.awrite(b"")
    assert_type(await subscriber.aread(), bytes)
    async for message in reader:
        assert_type(message, bytes)


try:
    reader.read()
except kren.TimedOut as error:
    assert_type(error.code, int)
    assert_type(error.channel, str | None)
"""

MISUSES = [
    'kren.Writer("name")',
    'kren.Writer("name", 4096, strategy="fast")',
    'kren.Writer("name", 4096).write("text")',
    'kren.Reader("name").read("1")',
    'kren.Reader("name").name = "other"',
    'kren.Reader("name").gone',
    'kren.Reader("name").borrow()[0] = 1',
    'kren.Writer("name", 4096).write_many(["text"])',
    'kren.Publisher("name", 4096).reader_state',
    'kren.Subscriber("name", start="middle")',
]


def mypy(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_stub_describes_the_binary() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "kren._kren"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_users_program_passes_strict_checks(tmp_path: Path) -> None:
    (tmp_path / "uses.py").write_text(USES)
    done = mypy("uses.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_misuses_are_found(tmp_path: Path) -> None:
    (tmp_path / "misuses.py").write_text("\n".join(["import kren", *MISUSES]))
    found = mypy("misuses.py", cwd=tmp_path).stdout
    for line in range(2, len(MISUSES) + 2):
        assert f"misuses.py:{line}: error" in found, found


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(kren.__file__).parent / "py.typed").exists()
