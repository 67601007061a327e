"""The guide: what docs/guide tells users to write does what it says there."""

import ast
import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import kren
import pytest

from guide import GUIDE, output, program, programs, running
from support import PATIENCE, Child, child, segment_of, until

TESTED = "".join(file.read_text() for file in Path(__file__).parent.glob("test_guide*.py"))


# The blocks of objects.md have no names: test_recipes.py runs them.
PAGES = sorted({page.stem for page in GUIDE.glob("*.md")} - {"objects"})


@pytest.mark.parametrize("page", PAGES)
def test_every_program_is_run(page: str) -> None:
    for name in programs(page):
        assert f'"{page}", "{name}"' in TESTED, "no test runs it"


def stopped(reader: Child) -> int:
    """Stop it in the middle of a wait; its exit status."""
    reader.process.send_signal(signal.SIGTERM)
    return reader.end()


@pytest.mark.parametrize(
    ("page", "name"), [("stopping", "stop.py"), ("stopping", "astop.py")], ids=lambda name: name
)
def test_a_stop_is_a_close(page: str, name: str, channel: str, tmp_path: Path) -> None:
    """G4: three lines make the difference between a close and a death."""
    with (
        kren.Writer(channel, 4096) as writer,
        running(tmp_path, page, name, ticks=channel) as reader,
    ):
        assert reader.line() == "ready"
        writer.write(b"one")
        assert reader.line() == "one"
        assert stopped(reader) == 0
        assert writer.reader_state == "closed"


def test_without_the_lines_a_stop_is_a_death(channel: str) -> None:
    """The other half of the same sentence, and the reason for the page."""
    code = re.sub(r"signal\.signal.*", "", program("stopping", "stop.py", ticks=channel))
    with kren.Writer(channel, 4096) as writer, child(code) as reader:
        assert reader.line() == "ready"
        assert stopped(reader) == -signal.SIGTERM
        until(lambda: writer.reader_state == "died")


def test_process_one_is_deaf_to_sigterm(channel: str) -> None:
    """containers.md, stopping.md: the kernel spares process 1; a handler mends it."""
    as_init = ["unshare", "--pid", "--fork", "--kill-child", sys.executable]
    if subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("no new pid namespace here")
    code = program("stopping", "stop.py", ticks=channel)
    for deaf, text in [(True, re.sub(r"signal\.signal.*", "", code)), (False, code)]:
        with kren.Writer(channel, 4096) as writer:
            with subprocess.Popen([*as_init, "-c", text], stdout=subprocess.PIPE) as outer:
                assert outer.stdout is not None
                assert outer.stdout.readline() == b"ready\n"
                children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text()
                os.kill(int(children), signal.SIGTERM)
                if deaf:
                    writer.write(b"still there")
                    assert outer.stdout.readline() == b"still there\n"
                    os.kill(int(children), signal.SIGKILL)
                outer.wait(PATIENCE)
            if deaf:
                until(lambda: writer.reader_state == "died")
            else:
                assert writer.reader_state == "closed"


def test_the_second_run_reads_its_own_messages(channel: str, tmp_path: Path) -> None:
    """again.md: what the first run left is skipped, and its writer is not waited for."""
    with kren.Writer(channel, 4096) as first:
        first.write(b"yesterday")
    with running(tmp_path, "again", "run.py", experiment=channel) as reader:
        with kren.Writer(channel, 4096) as second:
            assert reader.line() == "ready"
            second.write(b"today")
        assert reader.output() == "today\n"


def test_a_reader_outlasts_its_writers(channel: str, tmp_path: Path) -> None:
    """again.md: a close, a death, a name that goes; each writer's messages arrive."""
    dying = """
import kren, os, sys
writer = kren.Writer(sys.argv[1], 4096)
writer.write(b"two")
os.kill(os.getpid(), 9)
"""
    first = kren.Writer(channel, 4096)
    with running(tmp_path, "again", "serve.py", jobs=channel) as reader:
        assert reader.line() == "ready"
        first.write(b"one")
        assert reader.line() == "one"
        first.close()
        with child(dying, channel):
            assert reader.line() == "two"
        segment_of(channel).unlink()
        with kren.Writer(channel, 8192) as last:
            last.write(b"three")
            assert reader.line() == "three"


def test_a_small_dev_shm_is_told(channel: str) -> None:
    """containers.md: each container has its own; a small one is an error with figures."""
    inside = (
        "mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "
        f"{sys.executable} -c 'import kren\n"
        f'try: kren.Reader("{channel}")\nexcept kren.NotFound: print("apart")\n'
        f'try: kren.Writer("{channel}", 100 << 20)\nexcept kren.OutOfMemory as e: print(e)\''
    )
    with kren.Writer(channel, 4096):
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", inside], capture_output=True, text=True, check=False
        )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no new mount namespace here")
    apart, told = done.stdout.splitlines()
    assert apart == "apart"
    assert "docker --shm-size" in told
    assert channel in told


def test_a_cell_is_run_twice(channel: str) -> None:
    cell = program("notebooks", "cell.py", frames=channel)
    namespace: dict[str, kren.Writer] = {}
    exec(cell, namespace)  # noqa: S102 - as a notebook does
    namespace["writer"].write(b"kept")
    with pytest.raises(kren.WriterExists, match=r"close the one that this process opened earlier"):
        exec(cell.replace("writer.close()", "pass"), namespace)  # noqa: S102
    exec(cell, namespace)  # noqa: S102
    with kren.Reader(channel) as reader:
        assert reader.read() == b"kept"
    namespace["writer"].close()


def test_a_cell_that_awaits(channel: str) -> None:
    cell = compile(
        program("notebooks", "await.py", frames=channel),
        "cell",
        "exec",
        ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )
    with kren.Writer(channel, 4096) as writer:
        writer.write(b"message")
        namespace: dict[str, object] = {}
        asyncio.run(eval(cell, namespace))  # noqa: S307 - as a notebook does
        assert namespace["message"] == b"message"
        del namespace


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessing(method: str, channel: str, tmp_path: Path) -> None:
    names = {"numbers": channel, "squares": f"{channel}s"}
    assert output(tmp_path, "multiprocessing", "squares.py", method, **names) == "1 4 9\n"


def test_a_pool(channel: str, tmp_path: Path) -> None:
    counts = output(tmp_path, "multiprocessing", "pool.py", results=channel).split()
    assert sum(map(int, counts)) == 10


def test_a_daemon(channel: str, tmp_path: Path) -> None:
    assert output(tmp_path, "daemons", "daemon.py", status=channel) == ""
    with kren.Reader(channel, timeout=PATIENCE) as reader:
        message = reader.read(PATIENCE).decode()
        pid = int(message.removeprefix("up, pid "))
        with pytest.raises(kren.Closed):
            reader.read(PATIENCE)
    until(lambda: not Path(f"/proc/{pid}/exe").exists())


def test_a_single_instance(channel: str, tmp_path: Path) -> None:
    with running(tmp_path, "daemons", "single.py", engine=channel) as first:
        assert first.line() == "running"
        second = subprocess.run(
            [sys.executable, "single.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert f"(pid {first.pid})" in second.stderr
        first.kill()
    with running(tmp_path, "daemons", "single.py", engine=channel) as third:
        assert third.line() == "running"
        third.say("")
        assert third.end() == 0


def test_pinned_to_one_processor(channel: str, tmp_path: Path) -> None:
    assert output(tmp_path, "realtime", "pinned.py", ticks=channel) == "written\n"


def test_the_figures_of_memory(channel: str, tmp_path: Path) -> None:
    """memory.md: resident twice, in use once."""
    code = program("memory", "figures.py", figures=channel)
    code = code.replace("kren-figures", f"kren-{channel}")
    with child(code) as measured:
        assert measured.output() == "32 MiB resident, 16 MiB in use\n"
    assert "prints `32 MiB resident, 16 MiB in use`" in (GUIDE / "memory.md").read_text()


def test_empty_messages_are_falsy(channel: str, tmp_path: Path) -> None:
    printed = output(tmp_path, "empty", "falsy.py", events=channel)
    assert printed == "[b'one'] [b'three']\n"


def test_a_cancelled_read_takes_nothing(channel: str, tmp_path: Path) -> None:
    with (
        kren.Writer(channel, 4096) as writer,
        running(tmp_path, "threads", "cancelled.py", ticks=channel) as reader,
    ):
        assert reader.line() == "nothing yet"
        writer.write(b"one")
        assert reader.output() == "one\n"


def test_close_ends_a_read_in_a_pool(channel: str, tmp_path: Path) -> None:
    with (
        kren.Writer(channel, 4096),
        running(tmp_path, "threads", "pool.py", ticks=channel) as reader,
    ):
        assert reader.line() == "waiting"
        reader.say("")
        assert reader.output() == "EndpointClosed\n"


def test_two_users(channel: str) -> None:
    """security.md: a mode for the group, and a reader that says so, else it is refused."""
    if os.getuid() != 0:
        pytest.skip("needs root, to be another user")
    reading = program("security", "reader.py", shared=channel)
    writing = program("security", "writer.py", shared=channel)
    writing = f"import kren, os; os.umask(0); os.setgid(4242); os.setuid(4243)\n{writing}"
    with child(writing) as writer:
        assert writer.end() == 0
    as_another = "import kren, os; os.setgid(4242); os.setuid(4244)\n"
    refused = (
        f"{as_another}try: kren.Reader({channel!r})\nexcept kren.PermissionDenied: print('no')"
    )
    with child(refused) as stranger:
        assert stranger.output() == "no\n"
    with child(as_another + reading) as reader:
        assert reader.output() == "for the group\n"
    segment_of(channel).unlink(missing_ok=True)
