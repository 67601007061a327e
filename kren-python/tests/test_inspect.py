"""Looking at channels from outside: what is seen is right, and nobody is disturbed."""

import os
import sys
import time
from pathlib import Path

import kren
import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists shared memory")


@linux
def test_a_channel_is_seen_with_those_who_hold_it(channel: str) -> None:
    before = time.time()
    with kren.Writer(channel, 4096) as writer:
        writer.write(b"one")
        seen = kren.inspect(channel)
        assert seen["state"] == "waiting for a reader"
        assert seen["kind"] == "channel"
        assert (seen["capacity"], seen["mode"]) == (4096, 0o600)
        assert seen["writer"]["pid"] == os.getpid()
        assert seen["writer"]["asleep_since"] is None
        assert seen["readers"] == []
        assert (seen["written"], seen["undelivered"]) == (1, 1)
        created = seen["created"]
        assert created is not None
        assert before - 1 <= created <= time.time() + 1
        with kren.Reader(channel) as reader:
            assert kren.inspect(channel)["state"] == "idle"
            # A look takes nothing.
            assert reader.read() == b"one"
            assert kren.inspect(channel)["undelivered"] == 0
        assert channel in [seen["name"] for seen in kren.channels()]
    with pytest.raises(kren.NotFound):
        kren.inspect(channel)


@linux
def test_what_is_no_channel_is_listed_as_what_it_is(channel: str) -> None:
    path = Path(f"/dev/shm/kren-{channel}")  # noqa: S108
    path.write_bytes(b"nonsense")
    try:
        seen = kren.inspect(channel)
        assert seen["state"] == "damaged"
        assert "short" in seen["reason"]
        assert "kind" not in seen
        assert seen in kren.channels()
    finally:
        path.unlink()


def test_a_path_is_no_name() -> None:
    with pytest.raises(kren.InvalidName):
        kren.inspect("a/b")
