"""docs/guide/inbox.md and docs/guide/service.md do what they say."""

import signal
from pathlib import Path

import kren

from guide import output, running
from support import PATIENCE, until


def test_many_to_one(group: str, tmp_path: Path) -> None:
    """P7."""
    with running(tmp_path, "inbox", "collector.py", results=group) as collector:
        assert output(tmp_path, "inbox", "sender.py", results=group) == ""
        assert collector.output() == "True first\nTrue last\n"


def test_one_to_any_of_many(group: str, tmp_path: Path) -> None:
    """P9."""
    with running(tmp_path, "inbox", "worker.py", tasks=group) as worker:
        assert output(tmp_path, "inbox", "dealer.py", tasks=group) == ""
        assert worker.output() == "100 done\n"


def test_a_service(group: str, tmp_path: Path) -> None:
    """P11."""
    with running(tmp_path, "service", "server.py", texts=group) as server:
        with kren.Client(group) as client:
            until(lambda: client.server_state == "attached")
        said = "LOUDER\n['one', 'by', 'one']\n33 division by zero\n"
        assert output(tmp_path, "service", "client.py", texts=group) == said
        server.process.send_signal(signal.SIGINT)
        server.end()


def test_a_service_by_hand(group: str, tmp_path: Path) -> None:
    """P11."""
    with (
        running(tmp_path, "service", "by_hand.py", texts=group) as server,
        kren.Client(group) as client,
    ):
        until(lambda: client.server_state == "attached")
        assert list(client.stream(b"x", PATIENCE)) == [b"one of several"]
        assert client.call(b"", PATIENCE, method="stop") == b"stopped"
        assert server.end() == 0
