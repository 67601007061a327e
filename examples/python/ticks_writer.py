"""Makes COUNT tables of 10,000 ticks with polars, and streams them.

Needs polars and pyarrow: pip install polars pyarrow

Usage: python ticks_writer.py [CHANNEL] [COUNT]
"""

import kren
import polars

from pattern import channel, number
from ticks import report, traded

ROWS = 10_000
SYMBOLS = ["ALFA", "BRAVO", "CHARLIE", "DELTA"]
OPENING = polars.Series([1_767_600_000_000_000_000])
"""Nanoseconds since 1970."""


def make(table: int) -> polars.DataFrame:
    """Make table number `table`: a tick each millisecond, prices in cents."""
    n = polars.int_range(table * ROWS, (table + 1) * ROWS, eager=True)
    symbols = polars.Series(SYMBOLS, dtype=polars.Enum(SYMBOLS))
    return polars.DataFrame(
        {
            "symbol": symbols.gather(n * 7 % len(symbols)),
            "time": (OPENING + n * 1_000_000).cast(polars.Datetime("ns")),
            "price": (10_000 + n * 7919 % 2003).cast(polars.Int32),
            "size": (1 + n * 31 % 500).cast(polars.Int32),
        }
    )


def main() -> None:
    count = number(2, 100)
    parts = []

    # 64: so the columns lie as Arrow likes them.
    with kren.Writer(channel("ticks"), 8 << 20, alignment=64) as writer:
        for table in range(count):
            ticks = make(table)
            writer.write_table(ticks)
            parts.append(traded(ticks))

    print(f"sent {count} tables of {ROWS} ticks")
    report(parts)


main()
