"""What the two sides of the ticks example share: what ticks come to, symbol by symbol.

The readers in Rust and JavaScript print the same lines.
"""

import polars


def traded(ticks: polars.DataFrame) -> polars.DataFrame:
    """Add up one table: shares and cents of each symbol."""
    size = polars.col("size").cast(polars.Int64)
    symbol = polars.col("symbol").cast(polars.String)
    return ticks.group_by(symbol).agg(shares=size.sum(), cents=(size * polars.col("price")).sum())


def report(parts: list[polars.DataFrame]) -> None:
    """Print what all tables come to; the price of a share is the average weighted by volume."""
    total = polars.concat(parts).group_by("symbol").sum().sort("symbol")
    for symbol, shares, cents in total.rows():
        print(f"{symbol} {shares} shares at {cents // shares} cents, {cents} cents in all")
