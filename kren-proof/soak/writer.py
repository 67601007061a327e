"""The Python writer of a soak; `src/soak/worker.rs` is its twin."""

import time
from itertools import count

import kren

from plan import BREATHER, LOOK, WRITER, Task, Words

INTENT, DONE = 0, 1


def main() -> None:
    task = Task.parse()
    control = Words(task.folder / "control")
    journal = Words(task.folder / f"writer-{task.session}")
    with kren.Writer(task.channel, task.capacity, strategy=task.strategy) as writer:
        for number in count():
            if control[WRITER]:
                return
            message = task.plan.message(task.session, number)
            journal[INTENT] = number + 1
            while True:
                try:
                    if number % 3:
                        writer.write(message, LOOK)
                    else:
                        with writer.reserve(len(message), LOOK) as slot:
                            slot[:] = message
                    break
                except (kren.TimedOut, kren.Closed, kren.PeerDied):
                    if control[WRITER]:
                        return
                    time.sleep(BREATHER)
            journal[DONE] = number + 1


main()
