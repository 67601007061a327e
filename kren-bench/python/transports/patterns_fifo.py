"""faster-fifo, a queue in shared memory."""

from queue import Empty, Full

import faster_fifo
import faster_fifo_reduction  # noqa: F401  (lets queues be pickled)

from . import Ends
from .with_queue import share

MANY = 64


class Gather(Ends):
    name = "faster-fifo-gather"
    how = f"faster-fifo: four put, one takes up to {MANY} at a time with get_many"
    listed = False

    def open(self) -> None:
        self.queue = share(self, lambda: faster_fifo.Queue(self.capacity))
        self.taken: list[bytes] = []

    def send(self, payload: bytes) -> None:
        while True:
            try:
                return self.queue.put(payload)
            except Full:
                continue

    def receive(self) -> bytes:
        while not self.taken:
            try:
                self.taken = self.queue.get_many(max_messages_to_get=MANY)[::-1]
            except Empty:
                continue
        return self.taken.pop()

    def close(self) -> None:
        self.queue.close()


class Deal(Gather):
    name = "faster-fifo-deal"
    how = f"faster-fifo: one puts, four take up to {MANY} at a time with get_many"


TRANSPORTS = [Gather, Deal]
