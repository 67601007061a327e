"""What multiprocessing has for more than two: a Pipe to each reader, and a Queue."""

from . import Ends
from .with_pipe import connect_all
from .with_queue import SPAWN, share


class Pipes(Ends):
    name = "pipes-broadcast"
    how = "multiprocessing's Connections, one to each reader: send_bytes in a loop, recv_bytes"
    listed = False

    def open(self) -> None:
        self.connections = connect_all(self)
        if self.leads:
            self.send = self.to_all
        else:
            self.receive = self.connections[0].recv_bytes

    def to_all(self, payload: bytes) -> None:
        for connection in self.connections:
            connection.send_bytes(payload)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


class Gather(Ends):
    name = "queue-gather"
    how = "multiprocessing's Queue: four put, one gets"
    listed = False

    def open(self) -> None:
        self.queue = share(self, SPAWN.Queue)
        self.send, self.receive = self.queue.put, self.queue.get

    def close(self) -> None:
        self.queue.close()


class Deal(Gather):
    name = "queue-deal"
    how = "multiprocessing's Queue: one puts, four get"


TRANSPORTS = [Pipes, Gather, Deal]
