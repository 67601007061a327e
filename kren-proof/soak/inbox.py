"""The Python inbox of a soak; `src/soak/takers.rs` is its twin."""

import kren
from plan import LAST, LOOK, READ, STOP, Expected, Task, Words


def main() -> None:
    task = Task.parse()
    control = task.control()
    log = task.log("log")
    senders: dict[int, tuple[Words, Expected]] = {}

    def take(message: bytes) -> None:
        session, number = task.plan.check(message)
        if session not in senders:
            journal = Words(task.folder / f"writer-{session}")
            senders[session] = (journal, Expected(session << 32 | journal[READ]))
        journal, expected = senders[session]
        note = expected.meet(session, number)
        if note is not None:
            log.line(note)
        journal[READ] = expected.number()

    is_copy = False
    with kren.Inbox(task.channel, task.capacity, strategy=task.strategy) as inbox:
        while control.word() != STOP:
            is_copy = not is_copy
            try:
                # A copy is released before it can be noted, a lease after.
                if is_copy:
                    take(inbox.read(LOOK))
                else:
                    with inbox.borrow(LOOK) as lease:
                        take(bytes(lease))
            except kren.TimedOut:
                # It waits for senders to come, so nobody else tells of the end.
                if control.word() == LAST and not inbox.senders:
                    return


main()
