"""Collects the results of COUNT tasks from all workers, whoever did them.

One that was done twice, as its worker was killed, counts once.

Usage: python tasks_collector.py [CHANNEL] [COUNT]
"""

import hashlib

import kren

from pattern import channel, number


def main() -> None:
    count = number(2, 1000)
    results: dict[int, bytes] = {}
    workers = set()

    with kren.Inbox(f"{channel('tasks')}-results", 1 << 20) as inbox:
        for result in inbox:
            results[result.tag] = result
            workers.add(result.sender)
            if len(results) == count // 2:
                print(f"collected {len(results)} so far", flush=True)
            if len(results) == count:
                break

    # In the order of the tasks.
    sha256 = hashlib.sha256(b"".join(results[tag] for tag in sorted(results)))
    print(f"collected {count} results of {len(workers)} workers")
    print(f"sha256 {sha256.hexdigest()}")


main()
