"""docs/guide/broadcast.md does what it says."""

from pathlib import Path

import kren

from guide import output, running
from support import PATIENCE


def test_all_of_it_or_what_can_be_caught(channel: str, tmp_path: Path) -> None:
    """P1, P3."""
    with (
        running(tmp_path, "broadcast", "camera.py", frames=channel) as camera,
        running(tmp_path, "broadcast", "recorder.py", frames=channel) as recorder,
        running(tmp_path, "broadcast", "preview.py", frames=channel) as preview,
    ):
        assert recorder.output() == "1000 in all\n"
        assert preview.output() == "1000 in all\n"
        assert camera.end() == 0


def test_a_place_is_kept(channel: str, tmp_path: Path) -> None:
    """P5."""
    with kren.Publisher(channel, 65536) as publisher:
        with running(tmp_path, "broadcast", "log.py", frames=channel) as log:
            assert log.line() == "0"
            for frame in range(3):
                publisher.write(frame.to_bytes(4, "little"))
            assert log.line() == "0"
            assert log.end() == 0
        assert output(tmp_path, "broadcast", "log.py", frames=channel) == "1\n1\n"
        with kren.Subscriber(channel, durable="log", timeout=PATIENCE) as subscriber:
            assert subscriber.read(0) == (2).to_bytes(4, "little")
            subscriber.unsubscribe()
