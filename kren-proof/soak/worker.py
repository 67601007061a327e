"""The Python worker of a soaked queue; `src/soak/takers.rs` is its twin."""

import sys
import time

import kren
from plan import BREATHER, LAST, LOOK, STOP, Ledgers, Task


def main() -> None:
    task = Task.parse()
    control = task.control()
    ledgers = Ledgers(task.folder)
    with kren.Worker(task.channel, ahead=task.place - 1, strategy=task.strategy) as worker:
        while control.word() != STOP:
            try:
                with worker.read(LOOK) as work:
                    session, number = task.plan.check(bytes(work))
                    before = ledgers.note(session, number)
                    if before and not work.redelivered:
                        sys.exit(f"message {number} of dealer {session} came again, unmarked")
                continue
            except kren.TimedOut:
                # The end of a dealer is told once; then it waits for the next one.
                pass
            except (kren.Closed, kren.PeerDied):
                time.sleep(BREATHER)
            if control.word() == LAST and worker.dealer_state != "attached":
                return


main()
