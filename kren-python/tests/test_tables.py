"""Tables in messages, from and to pyarrow, polars and pandas."""

import asyncio
import subprocess
import sys
from typing import Any

import kren
import pandas
import polars
import pyarrow
import pytest

CAPACITY = 1 << 20

COLUMNS = {"number": [1, 2, None], "price": [0.5, 1.5, 2.5], "name": ["a", None, "ü"]}


def table() -> Any:
    return pyarrow.table(COLUMNS)


def test_a_table_is_looked_at_where_it_lies(channel: str) -> None:
    """G2: its columns are the message, which stays as long as one of them."""
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        writer.write_table(table(), tag=4)
        received = reader.read_table()
        assert received.equals(table())
        held = reader.held
        assert held > 0
        column = received.column("price")
        del received
        assert reader.held == held
        assert column.to_pylist() == COLUMNS["price"]
        reader.close()
        writer.close()
        assert column.to_pylist() == COLUMNS["price"]
        del column


def test_every_library_s_tables_arrive(channel: str) -> None:
    big = pyarrow.concat_tables([table()] * 3)
    given = [
        (table(), table()),
        (table().to_batches()[0], table()),
        (big, big),
        (table().slice(1, 1), table().slice(1, 1)),
        (table().schema.empty_table(), table().schema.empty_table()),
        (polars.DataFrame(COLUMNS), None),
        (pandas.DataFrame({"price": COLUMNS["price"]}), None),
    ]
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        for one, expected in given:
            writer.write_table(one)
            received = reader.read_table()
            if expected is not None:
                assert received.equals(expected)
            elif isinstance(one, polars.DataFrame):
                assert polars.DataFrame(received).equals(one)
            else:
                assert received.to_pandas().equals(one)
            del received
        assert reader.held == 0


def test_mistakes_write_nothing(channel: str) -> None:
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        with pytest.raises(TypeError, match="write_array"):
            writer.write_table([1, 2])
        with pytest.raises(kren.TooLarge):
            writer.write_table(pyarrow.table({"a": list(range(1000))}))
        assert reader.try_read() is None
        writer.write(b"x" * 3800)
        with pytest.raises(kren.TimedOut):
            writer.write_table(table(), timeout=0)
        # The writer is as before.
        assert reader.read() == b"x" * 3800
        writer.write_table(table())
        with pytest.raises(kren.NotAnArray, match="it is a table"):
            reader.read_array()
        assert reader.read_table().equals(table())


def test_awaiting_a_table(channel: str) -> None:
    async def talk() -> None:
        with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
            waiting = asyncio.create_task(reader.aread_table())
            await asyncio.sleep(0)
            writer.write_table(table())
            assert (await waiting).equals(table())

    asyncio.run(talk())


DAMAGE = """
import sys, kren, pyarrow
with kren.Writer(sys.argv[1], 1 << 20) as writer, kren.Reader(sys.argv[1]) as reader:
    writer.write_table(pyarrow.table({"n": [1, 2, 3], "s": ["a", "bc", None]}))
    sound = reader.read()
    refused = tables = 0
    def look(message):
        global refused, tables
        writer.write(message)
        try:
            reader.read_table().to_pylist()
            tables += 1
        except kren.NotAnArray:
            refused += 1
            reader.try_read()
    for at in range(len(sound)):
        for change in (1, 128, 255):
            message = bytearray(sound)
            message[at] ^= change
            look(message)
        look(sound[:at])
        if at >= 64:
            look(sound[:16] + (at - 64).to_bytes(8, "little") + sound[24:at])
    assert reader.held == 0
    print(refused, tables)
"""


def test_damaged_tables_are_refused_or_are_tables(channel: str) -> None:
    """G7: every byte changed in turn, every length cut; in a process that may crash."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", DAMAGE, channel],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refused, tables = map(int, done.stdout.split())
    assert refused > 500
    assert tables > 100


def test_pyarrow_is_optional(channel: str) -> None:
    code = """
import sys
sys.modules["pyarrow"] = None
import kren
with kren.Writer(sys.argv[1], 4096) as writer, kren.Reader(sys.argv[1]) as reader:
    for call in (lambda: writer.write_table(None), reader.read_table):
        try:
            call()
        except ImportError as error:
            print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, channel], capture_output=True, text=True, check=False
    )
    assert done.stdout == "tables need the package pyarrow: pip install pyarrow\n" * 2, done.stderr
