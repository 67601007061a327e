"""ZeroMQ through pyzmq, a PAIR over ipc."""

import os
import tempfile

import zmq

from . import SLEEPS, Ends


class ZeroMQ(Ends):
    name = "zmq"
    how = "pyzmq: a PAIR over ipc, send and recv"
    tests = SLEEPS

    def open(self) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PAIR)
        self.socket.linger = 0
        self.path = os.path.join(tempfile.gettempdir(), f"{self.session}.zmq")
        address = f"ipc://{self.path}"
        self.socket.bind(address) if self.leads else self.socket.connect(address)
        self.send = self.socket.send
        self.receive = self.socket.recv

    def close(self) -> None:
        self.socket.close()
        self.context.term()
        if self.leads and os.path.exists(self.path):
            os.unlink(self.path)


TRANSPORTS = [ZeroMQ]
