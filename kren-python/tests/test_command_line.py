"""``python -m kren`` is the program ``kren`` itself: its output, exit codes, signals and pipes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kren
import pytest
from kren.__main__ import _places

from support import PATIENCE, until

MODULE = [sys.executable, "-m", "kren"]

built = pytest.mark.skipif(
    not any(place.is_file() for place in _places()),
    reason="the program was not built: `cargo xtask demo` does",
)


def run(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(environment or {})},
    )


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """It, once it has taken Python's place."""
    with subprocess.Popen([*MODULE, *arguments], stdout=subprocess.PIPE) as process:
        try:
            name = Path(f"/proc/{process.pid}/comm")
            until(lambda: name.read_text() == "kren\n")
            yield process
        finally:
            process.kill()


@built
def test_it_lists_a_channel_of_this_process(channel: str) -> None:
    with kren.Writer(channel, 4096):
        listed = run("ls", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    seen = [seen for seen in json.loads(listed.stdout)["channels"] if seen["name"] == channel]
    assert [seen["writer"]["pid"] for seen in seen] == [os.getpid()]


@built
def test_exit_codes_are_the_programs() -> None:
    missing = run("stat", "pytest-no-such-channel")
    assert missing.returncode == 3
    assert "pytest-no-such-channel" in missing.stderr
    assert run("no-such-command").returncode == 2


@built
def test_ctrl_c_lets_it_close_its_channel(channel: str) -> None:
    with kren.Writer(channel, 4096) as writer, started("recv", channel) as program:
        writer.write(b"one")
        assert program.stdout is not None
        # What it has printed it has taken, so it listens to signals by now.
        assert program.stdout.read(3) == b"one"
        program.send_signal(signal.SIGINT)
        assert program.wait(PATIENCE) == 130
        assert writer.reader_state == "closed"


@built
def test_a_pipe_that_nobody_reads_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen([*MODULE, "man"], stdout=writing, stderr=subprocess.PIPE) as program:
        os.close(writing)
        _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (-signal.SIGPIPE, b"")


def test_the_program_that_was_installed_with_the_package_is_the_one(tmp_path: Path) -> None:
    """Where installers note it, whatever else is among the programs of this environment."""
    packages = tmp_path / "packages"
    notes = packages / f"kren-{kren.__version__}.dist-info"
    notes.mkdir(parents=True)
    (notes / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: kren\nVersion: {kren.__version__}\n"
    )
    (notes / "RECORD").write_text("../programs/kren,,\n")
    program = tmp_path / "programs" / "kren"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "<%s>" "$@"\nexit 7\n')
    program.chmod(0o755)
    ran = run("two words", "*", environment={"PYTHONPATH": os.fspath(packages)})
    assert (ran.returncode, ran.stdout) == (7, "<two words><*>")


def test_without_the_program_one_line_says_what_to_do() -> None:
    code = "import sys, kren.__main__ as m; m._PROGRAM = 'no-such-program'; sys.exit(m._main())"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "cargo install --path kren-cli" in ran.stderr
