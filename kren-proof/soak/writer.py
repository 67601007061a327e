"""Makes the messages of a soak, in Python; `src/soak/worker.rs` is its twin."""

import time
from itertools import count

import kren
from plan import BREATHER, DONE, INTENT, LOOK, Task, Words


def connect(task: Task) -> kren.Writer | kren.Publisher | kren.Sender | kren.Dealer:
    name, capacity, strategy = task.channel, task.capacity, task.strategy
    match task.kind:
        case "publisher":
            return kren.Publisher(name, capacity, strategy=strategy)
        case "sender":
            return kren.Sender(name, capacity=capacity, strategy=strategy)
        case "dealer":
            return kren.Dealer(name, capacity, strategy=strategy)
        case _:
            return kren.Writer(name, capacity, strategy=strategy)


def main() -> None:
    task = Task.parse()
    control = task.control()
    journal = Words(task.folder / f"writer-{task.session}")
    with connect(task) as writer:
        for number in count():
            if control.word():
                return
            message = task.plan.message(task.session, number)
            journal[INTENT] = number + 1
            while True:
                try:
                    if number % 3 or isinstance(writer, kren.Dealer):
                        writer.write(message, LOOK)
                    else:
                        with writer.reserve(len(message), LOOK) as slot:
                            slot[:] = message
                    break
                except (kren.TimedOut, kren.Closed, kren.PeerDied):
                    if control.word():
                        return
                    time.sleep(BREATHER)
            journal[DONE] = number + 1


main()
