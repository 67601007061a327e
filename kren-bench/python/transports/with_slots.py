"""What one writes by hand: shared memory divided into slots, and two semaphores that count them."""

from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory

from . import SLEEPS, Ends
from .with_queue import SPAWN, share

MOST = 4096


class Slots(Ends):
    name = "slots"
    how = "shared_memory slots by hand, two semaphores each way"
    tests = SLEEPS

    def open(self) -> None:
        slots = max(2, min(MOST, self.capacity // self.size))

        def make(name: str):
            memory = SharedMemory(name, create=True, size=slots * self.size)
            # Free slots, and full ones.
            return memory, SPAWN.Semaphore(slots), SPAWN.Semaphore(0)

        names = (f"{self.session}-{way}" for way in "ab")
        ways = [share(self, lambda name=name: make(name)) for name in names]
        if not self.leads:
            # The memory is the leading side's to remove; the tracker takes it for everybody's.
            for memory, _, _ in ways:
                resource_tracker.unregister(f"/{memory.name}", "shared_memory")
        self.ways = ways if self.leads else ways[::-1]
        self.send = self.sender(*self.ways[0], slots)
        self.receive = self.receiver(*self.ways[1], slots)

    def sender(self, memory, free, full, slots):
        view, size, end, at = memory.buf, self.size, slots * self.size, 0

        def send(payload: bytes) -> None:
            nonlocal at
            free.acquire()
            view[at : at + size] = payload
            full.release()
            at = (at + size) % end

        return send

    def receiver(self, memory, free, full, slots):
        view, size, end, at = memory.buf, self.size, slots * self.size, 0

        def receive() -> bytes:
            nonlocal at
            full.acquire()
            message = bytes(view[at : at + size])
            free.release()
            at = (at + size) % end
            return message

        return receive

    def close(self) -> None:
        # The callables hold views of the memory.
        del self.send, self.receive
        for memory, _, _ in self.ways:
            memory.close()
            if self.leads:
                memory.unlink()


TRANSPORTS = [Slots]
