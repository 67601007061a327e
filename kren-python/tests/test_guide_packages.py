"""Pages of the guide about other packages; those that are not installed are left out."""

import asyncio
import importlib.util
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import kren
import pytest

from guide import output, program, running
from support import PATIENCE, child, child_of, segment_of, until


def _needs(package: str) -> None:
    """Skip where it is not installed. It is not imported here: some change what `os.fork` does."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize(
    ("package", "page", "name"),
    [
        ("gevent", "gevent", "gevent_thread.py"),
        ("eventlet", "gevent", "eventlet_thread.py"),
    ],
    ids=["gevent", "eventlet"],
)
def test_greenlets_go_on(package: str, page: str, name: str, channel: str, tmp_path: Path) -> None:
    """A greenlet that waits for a message leaves the others their turns."""
    _needs(package)
    with (
        kren.Writer(channel, 4096) as writer,
        running(tmp_path, page, name, ticks=channel) as reader,
    ):
        assert reader.line() == "ready"
        time.sleep(0.2)  # what the others are to use
        writer.write(b"one")
        assert reader.output() == "one True\n"


def test_a_blocking_read_stops_all_greenlets(channel: str, tmp_path: Path) -> None:
    """The trap that the page is about: were it none, the page would have to go."""
    _needs("gevent")
    code = program("gevent", "gevent_thread.py", ticks=channel)
    code = code.replace("gevent.get_hub().threadpool.apply(reader.read)", "reader.read()")
    with kren.Writer(channel, 4096) as writer, child(code) as reader:
        assert reader.line() == "ready"
        time.sleep(0.2)
        writer.write(b"one")
        assert reader.output() == "one False\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(port: int, path: str, method: str) -> bytes:
    """The answer, as soon as the server is up."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except (ConnectionError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def drained(prefix: str) -> list[bytes]:
    """All messages of the workers, up to their clean close: a death would raise."""
    got: list[bytes] = []
    for segment in segment_of(prefix).parent.glob(f"kren-{prefix}-*"):
        with kren.Reader(segment.name.removeprefix("kren-")) as reader:
            got += reader
    return got


def test_fastapi(channel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, two channels, and a stop that closes both."""
    for package in ("fastapi", "uvicorn"):
        _needs(package)
    (tmp_path / "app.py").write_text(program("web", "app.py", jobs=channel))
    monkeypatch.setenv("WORKERS", "2")
    port = free_port()
    server = ["-m", "uvicorn", "app:app", "--workers", "2", "--log-level", "warning"]
    with child_of([*server, "--port", str(port)], tmp_path) as running_server:
        for number in range(10):
            assert b"worker" in fetch(port, f"/jobs/{number}", "POST")
        until(lambda: all(segment_of(f"{channel}-{number}").exists() for number in range(2)))
        running_server.process.send_signal(signal.SIGTERM)
        assert running_server.end() in (0, -signal.SIGTERM)
    got = sorted(map(int, drained(channel)))
    assert got == list(range(10))


ENGINE = """
import kren, sys
with kren.Reader(sys.argv[1], timeout=30) as questions, kren.Writer(sys.argv[2], 65536) as answers:
    held = [questions.read_tagged() for _ in range(3)]
    for number, question in reversed(held):                 # not in the order of the questions
        answers.write(question.upper(), tag=number)
"""


def test_answers_find_their_questions(channel: str) -> None:
    namespace: dict[str, type] = {}
    exec(program("web", "answers.py"), namespace)  # noqa: S102

    async def main() -> list[bytes]:
        async with kren.Writer(channel, 65536) as questions:
            with child(ENGINE, channel, f"{channel}a") as other:
                async with await kren.connect(f"{channel}a", timeout=PATIENCE) as answers:
                    engine = namespace["Engine"](questions, answers)
                    asked = [engine.ask(text) for text in (b"one", b"two", b"three")]
                    got = await asyncio.gather(*asked)
                    engine._task.cancel()
                    await asyncio.wait([engine._task])
                # One that is killed before it has closed leaves the name.
                assert other.end() == 0
                return list(got)

    assert asyncio.run(main()) == [b"ONE", b"TWO", b"THREE"]


def test_gunicorn(channel: str, tmp_path: Path) -> None:
    """Workers open after the fork and close at their end."""
    _needs("gunicorn")
    (tmp_path / "wsgi.py").write_text(program("web", "wsgi.py"))
    settings = program("web", "gunicorn.conf.py").replace('f"paths-', f'f"{channel}-')
    (tmp_path / "gunicorn.conf.py").write_text(settings)
    port = free_port()
    arguments = [
        "-m",
        "gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--log-level",
        "error",
        "wsgi:app",
    ]
    with child_of(arguments, tmp_path) as server:
        for number in range(10):
            assert fetch(port, f"/{number}", "GET") == b"written"
        until(lambda: all(segment_of(f"{channel}-{number}").exists() for number in range(2)))
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0
    got = sorted(message.decode() for message in drained(channel))
    assert got == sorted(f"/{number}" for number in range(10))


def test_tensors(channel: str, tmp_path: Path) -> None:
    """Computed in the ring, read where they lie."""
    _needs("torch")
    assert output(tmp_path, "pytorch", "send.py", tensors=channel) == ""
    printed = output(tmp_path, "pytorch", "receive.py", tensors=channel)
    assert printed == f"torch.Size([3, 480, 640]) torch.uint8 {3 * 480 * 640}\n499.5\n"


def test_a_pinned_tensor(channel: str, tmp_path: Path) -> None:
    _needs("torch")
    with kren.Writer(channel, 65536) as writer:
        writer.write(bytes(1000))
    printed = output(tmp_path, "pytorch", "pinned.py", tensors=channel)
    assert printed == "1000 torch.Size([1000])\n"


def test_a_data_loader(channel: str, tmp_path: Path) -> None:
    _needs("torch")
    for number in range(2):
        with kren.Writer(f"{channel}-{number}", 65536) as writer:
            writer.write_many([bytes(4 * 3)] * 8)
    assert output(tmp_path, "pytorch", "loader.py", samples=channel) == f"{2 * 8 * 3}\n"
