"""multiprocessing's Queue, one each way."""

import multiprocessing
import pickle
from multiprocessing import context, reduction
from typing import Any

from . import SLEEPS, Ends
from .with_pipe import connect_all

# Both processes were started by a third one, and by default trust their own children only.
multiprocessing.current_process().authkey = b"kren-bench"
SPAWN = multiprocessing.get_context("spawn")


class Queue(Ends):
    name = "mp-queue"
    how = "multiprocessing's Queue: put, get"
    tests = SLEEPS
    sizes = (8, 64 << 10)

    def open(self) -> None:
        there, back = share(self, lambda: (SPAWN.Queue(), SPAWN.Queue()))
        self.queues = (there, back) if self.leads else (back, there)
        self.send = self.queues[0].put
        self.receive = self.queues[1].get

    def close(self) -> None:
        for queue in self.queues:
            queue.close()
        self.queues[0].join_thread()


def share(ends: Ends, make) -> Any:
    """What `make` gives in the leading process, in all.

    multiprocessing hands queues and semaphores only to a child that is being started; they travel
    as well over a connection, once its check for that is out of the way.
    """
    check = context.assert_spawning
    context.assert_spawning = lambda _: None
    try:
        made = make() if ends.leads else None
        for connection in connect_all(ends):
            with connection:
                if ends.leads:
                    connection.send_bytes(reduction.ForkingPickler.dumps(made))
                    connection.recv_bytes()
                else:
                    made = pickle.loads(connection.recv_bytes())  # noqa: S301
                    connection.send_bytes(b"taken")
        return made
    finally:
        context.assert_spawning = check


TRANSPORTS = [Queue]
