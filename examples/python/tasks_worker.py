"""Does the tasks that tasks_dealer gives it, and sends each result to tasks_collector.

It ends when the dealer closes. As many workers as you like. A task is done, for the dealer, when
the next one is asked for: kill a worker, and another one does what it had begun.

Usage: python tasks_worker.py [CHANNEL]
"""

import hashlib

import kren

from pattern import PATIENCE, channel


def main() -> None:
    name = channel("tasks")
    done = 0

    with kren.Worker(name, ahead=4) as worker, kren.Sender(f"{name}-results") as results:
        for task in worker:
            results.write(hashlib.sha256(task).digest(), PATIENCE, tag=task.tag)
            done += 1

    print(f"did {done} tasks")


main()
