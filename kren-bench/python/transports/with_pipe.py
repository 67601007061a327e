"""multiprocessing's Pipe: the Connection it returns, here between two equals."""

import tempfile
from multiprocessing.connection import Client, Listener
from pathlib import Path

from . import SLEEPS, Ends, patiently


class Pipe(Ends):
    name = "mp-pipe"
    how = "multiprocessing's Connection (what Pipe() gives): send_bytes, recv_bytes"
    tests = SLEEPS

    def open(self) -> None:
        self.connection = connect(self)
        self.send = self.connection.send_bytes
        self.receive = self.connection.recv_bytes

    def close(self) -> None:
        self.connection.close()


def connect(ends: Ends):
    """A Connection to the other process."""
    return connect_all(ends)[0]


def connect_all(ends: Ends) -> list:
    """In the leading process a Connection to each other one; in those, the one to it."""
    path = str(Path(tempfile.gettempdir(), f"{ends.session}.conn"))
    if ends.leads:
        with Listener(path, family="AF_UNIX", backlog=ends.followers) as listener:
            return [listener.accept() for _ in range(ends.followers)]
    client = patiently(lambda: Client(path, family="AF_UNIX"), FileNotFoundError, ConnectionError)
    return [client]


TRANSPORTS = [Pipe]
