"""The Python subscriber that is not durable; `src/soak/guest.rs` is its twin."""

import sys
import time

import kren
from plan import BREATHER, LAST, LOOK, STOP, Task, Words

SEEN, MISSED = 0, 1


def main() -> None:
    task = Task.parse()
    control = task.control()
    counts = Words(task.folder / f"subscriber-{task.place}")
    log = task.log("turns")
    is_lossy = task.kind == "lossy"
    # Session and number of the last message, and which of all it was.
    last: tuple[int, int, int] | None = None
    with kren.Subscriber(task.channel, lossy=is_lossy, strategy=task.strategy) as subscriber:
        while control.word() != STOP:
            at = subscriber.position
            try:
                session, number = task.plan.check(subscriber.read(LOOK))
            except kren.Lagged as error:
                if not is_lossy or error.missed == 0:
                    raise
                counts[MISSED] += error.missed
                continue
            except kren.TimedOut:
                continue
            except (kren.Closed, kren.PeerDied):
                if control.word() == LAST:
                    return
                time.sleep(BREATHER)
                continue
            if last is not None:
                gap = at - last[2] - 1
                if session == last[0] and number != last[1] + 1 + gap:
                    sys.exit(f"after {last} to {(session, number)}, {gap} were missed by the count")
                if session != last[0]:
                    # Held against what the durable one says of the sessions' ends.
                    log.line(f"{last[0]} {last[1] + 1} {gap} {session} {number}")
            last = (session, number, at)
            counts[SEEN] += 1
            if is_lossy and number % 3000 == 0:
                time.sleep(LOOK / 10)


main()
