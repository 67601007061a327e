"""Adds up tables of ticks where they lie in the ring, until the writer closes.

Needs polars and pyarrow: pip install polars pyarrow

Usage: python ticks_reader.py [CHANNEL]
"""

import time

import kren
import polars

from pattern import PATIENCE, channel
from ticks import report, traded


def main() -> None:
    parts: list[polars.DataFrame] = []
    rows, started = 0, 0.0

    with kren.Reader(channel("ticks"), timeout=PATIENCE) as reader:
        while True:
            try:
                table = reader.read_table()
            except kren.Closed:
                break
            if not parts:
                started = time.perf_counter()
            parts.append(traded(polars.DataFrame(table)))
            rows += table.num_rows

    millions = rows / (time.perf_counter() - started) / 1e6
    print(f"received {len(parts)} tables: {millions:.1f} million ticks/s")
    report(parts)


main()
