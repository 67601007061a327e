"""ZeroMQ through pyzmq over ipc: PUB and SUB, PUSH and PULL, REQ and REP."""

import tempfile
from pathlib import Path

import zmq

from . import Ends


class Socket(Ends):
    listed = False
    kinds = (zmq.XPUB, zmq.SUB)
    """Of the leading process, which binds, and of the others."""

    def open(self) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(self.kinds[not self.leads])
        self.socket.linger = 0
        self.socket.set_hwm(0)
        if self.socket.socket_type == zmq.XPUB:
            # Each subscription is told of, also one like another.
            self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.path = Path(tempfile.gettempdir(), f"{self.session}.zmq")
        if self.leads:
            self.socket.bind(f"ipc://{self.path}")
        else:
            self.socket.connect(f"ipc://{self.path}")
        self.send, self.receive = self.socket.send, self.socket.recv

    def close(self) -> None:
        self.socket.close()
        self.context.term()
        if self.leads:
            self.path.unlink(missing_ok=True)


class Broadcast(Socket):
    name = "zeromq-broadcast"
    how = "pyzmq: PUB (as XPUB, which hears of subscribers) and SUB over ipc, no high-water mark"

    def open(self) -> None:
        super().open()
        if self.leads:
            for _ in range(self.followers):
                self.socket.recv()
        else:
            self.socket.subscribe(b"")


class Gather(Socket):
    name = "zeromq-gather"
    how = "pyzmq: four PUSH, one PULL over ipc, no high-water mark"
    kinds = (zmq.PULL, zmq.PUSH)


class Deal(Socket):
    name = "zeromq-deal"
    how = "pyzmq: one PUSH, four PULL over ipc, no high-water mark"
    kinds = (zmq.PUSH, zmq.PULL)


class Call(Socket):
    name = "zeromq-call"
    how = "pyzmq: REQ and REP over ipc"
    kinds = (zmq.REQ, zmq.REP)


TRANSPORTS = [Broadcast, Gather, Deal, Call]
