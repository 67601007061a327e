"""ZeroMQ through pyzmq, a PAIR over ipc."""

import tempfile
from pathlib import Path

import zmq

from . import SLEEPS, Ends


class ZeroMQ(Ends):
    name = "zeromq"
    how = "pyzmq: a PAIR over ipc, send and recv"
    tests = SLEEPS

    def open(self) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PAIR)
        self.socket.linger = 0
        self.path = Path(tempfile.gettempdir(), f"{self.session}.zmq")
        address = f"ipc://{self.path}"
        if self.leads:
            self.socket.bind(address)
        else:
            self.socket.connect(address)
        self.send = self.socket.send
        self.receive = self.socket.recv

    def close(self) -> None:
        self.socket.close()
        self.context.term()
        if self.leads:
            self.path.unlink(missing_ok=True)


TRANSPORTS = [ZeroMQ]
