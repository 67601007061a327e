"""Collects the results of COUNT tasks from all workers, whoever did them.

One that was done twice, as its worker was killed, counts once.

Usage: python tasks_collector.py [CHANNEL] [COUNT]
"""

import hashlib

import kren

from pattern import channel, number


def main() -> None:
    count = number(2, 1000)
    results = set()
    workers = set()

    with kren.Inbox(f"{channel('tasks')}-results", 1 << 20) as inbox:
        for result in inbox:
            if result != hashlib.sha256(f"task {result.tag}".encode()).digest():
                raise SystemExit(f"the result of task {result.tag} is wrong")
            results.add(result.tag)
            workers.add(result.sender)
            if len(results) == count:
                break

    print(f"collected {len(results)} results of {len(workers)} workers")


main()
