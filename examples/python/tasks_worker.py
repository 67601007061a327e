"""Does the tasks that tasks_dealer gives it, and sends each result to tasks_collector.

It ends when the dealer closes. As many workers as you like. A task is done, for the dealer, when
the next one is asked for: kill a worker, and another one does what it had begun.

Usage: python tasks_worker.py [CHANNEL] [MILLISECONDS]; the second is how long each task takes.
"""

import hashlib
import time

import kren

from pattern import PATIENCE, channel, number


def main() -> None:
    name = channel("tasks")
    takes = number(2, 0) / 1000
    done = 0

    with kren.Worker(name, ahead=4) as worker, kren.Sender(f"{name}-results") as results:
        print("ready", flush=True)
        for task in worker:
            time.sleep(takes)
            results.write(hashlib.sha256(task).digest(), PATIENCE, tag=task.tag)
            done += 1

    print(f"did {done} tasks")


main()
