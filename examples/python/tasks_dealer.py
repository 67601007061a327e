"""Deals COUNT tasks to the workers that are there, each to one, and waits until all are done.

Usage: python tasks_dealer.py [CHANNEL] [COUNT]
"""

import kren

from pattern import PATIENCE, channel, number


def main() -> None:
    count = number(2, 1000)

    with kren.Dealer(channel("tasks"), 1 << 20) as dealer:
        for i in range(count):
            dealer.write(f"task {i}".encode(), PATIENCE, tag=i)
        dealer.flush(PATIENCE)

    print(f"dealt {count} tasks")


main()
