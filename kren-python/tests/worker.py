"""What the children of multiprocessing run; they import it by name."""

import kren

kept: list[kren.Writer] = []


def keep_and_write(channel: str) -> None:
    """Write a message and leave the writer open, in a place that nobody cleans up."""
    kept.append(kren.Writer(channel, 4096))
    kept[0].write(b"from the child")


def connect(channel: str) -> None:
    kren.Reader(channel)
