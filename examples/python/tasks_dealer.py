"""Deals COUNT tasks to the workers that are there, each to one, and waits until all are done.

Usage: python tasks_dealer.py [CHANNEL] [COUNT]
"""

import hashlib

import kren

from pattern import PATIENCE, channel, number


def main() -> None:
    count = number(2, 1000)
    # Of the results, as the collector should have them.
    sha256 = hashlib.sha256()

    with kren.Dealer(channel("tasks"), 1 << 20) as dealer:
        for i in range(count):
            task = f"task {i}".encode()
            dealer.write(task, PATIENCE, tag=i)
            sha256.update(hashlib.sha256(task).digest())
        dealer.flush(PATIENCE)

    print(f"dealt {count} tasks")
    print(f"sha256 {sha256.hexdigest()}")


main()
