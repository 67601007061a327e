"""The Python reader of a channel, and of all that a broadcast has.

`src/soak/worker.rs` and `guest.rs` are its twins.
"""

import time

import kren
from plan import BREATHER, LAST, LOOK, STOP, Control, Expected, Task, Words


def connect(task: Task, control: Control) -> kren.Reader | kren.Subscriber | None:
    """The reader; None if both sides have left the channel drained, and nobody wants more."""
    if task.kind == "durable":
        return kren.Subscriber(task.channel, start="oldest", durable="soak", strategy=task.strategy)
    while True:
        try:
            return kren.Reader(task.channel, timeout=LOOK, strategy=task.strategy)
        except kren.NotFound:
            if control.word():
                return None


def main() -> None:
    task = Task.parse()
    control = task.control()
    journal = Words(task.folder / "reader")
    log = task.log("log")
    expected = Expected(journal[0])

    def take(message: bytes) -> None:
        note = expected.meet(*task.plan.check(message))
        if note is not None:
            log.line(note)
        journal[0] = expected.word()

    reader = connect(task, control)
    # It is there: nothing is missed from here on.
    journal[1] = 1
    while reader is not None and control.word() != STOP:
        try:
            # A copy is released before it can be noted, a lease after: both must be accounted for.
            if expected.word() % 2:
                take(reader.read(LOOK))
            else:
                with reader.borrow(LOOK) as lease:
                    take(bytes(lease))
        except kren.TimedOut:
            continue
        except (kren.Closed, kren.PeerDied):
            if control.word() == LAST:
                break
            time.sleep(BREATHER)
    if control.word() == LAST:
        log.line(expected.end())
        if isinstance(reader, kren.Subscriber):
            reader.unsubscribe()
    if reader is not None:
        reader.close()


main()
