"""What a channel's messages are: said at creation, compared at connecting."""

import asyncio
from typing import Any

import kren
import numpy
import pyarrow
import pytest

TABLE = pyarrow.schema([("id", "int64"), pyarrow.field("name", "string", nullable=False)])

SCHEMAS: list[tuple[Any, str]] = [
    ("MessagePack: [id, price]", "MessagePack: [id, price]"),
    (("float32", (480, 640, 3)), "array float32 [480, 640, 3]"),
    ((numpy.uint8, (None, 3)), "array uint8 [*, 3]"),
    ((numpy.dtype("complex64"), 4), "array complex64 [4]"),
    (("bfloat16", ()), "array bfloat16 []"),
    (TABLE, "table\nid: int64\nname: string not null"),
]


@pytest.mark.parametrize(("schema", "text"), SCHEMAS)
def test_both_sides_say_the_same(channel: str, schema: Any, text: str) -> None:
    with (
        kren.Writer(channel, 4096, schema=schema) as writer,
        kren.Reader(channel, schema=schema) as reader,
    ):
        assert (writer.schema, reader.schema) == (text, text)


def test_another_schema_is_refused_and_the_error_says_both(channel: str) -> None:
    with kren.Writer(channel, 4096, schema=("float32", (2,))) as writer:
        connects: list[Any] = [
            lambda: kren.Reader(channel, schema=("float64", (2,))),
            lambda: asyncio.run(kren.connect(channel, schema=("float64", (2,)))),
        ]
        for connect in connects:
            with pytest.raises(kren.SchemaMismatch) as refused:
                connect()
            assert "array float32 [2]" in str(refused.value)
            assert "array float64 [2]" in str(refused.value)
        writer.write(b"kept")
    with pytest.raises(kren.SchemaMismatch):
        kren.Writer(channel, 4096, schema="something else")
    with kren.Reader(channel, schema=("float32", (2,))) as reader:
        assert reader.read() == b"kept"


def test_who_says_nothing_accepts_anything(channel: str) -> None:
    with kren.Writer(channel, 4096), kren.Reader(channel, schema="anything") as reader:
        assert reader.schema is None
    with kren.Writer(channel, 4096, schema="x" * 600), kren.Reader(channel) as reader:
        assert reader.schema == "x" * 512


@pytest.mark.parametrize(
    "schema",
    [
        7,
        ("float32",),
        ("float31", (2,)),
        (object, (1,)),
        ("f4", "x"),
        ("f4", (-1,)),
        ("f4", (2.5,)),
    ],
)
def test_what_is_no_schema_is_refused(channel: str, schema: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        kren.Writer(channel, 4096, schema=schema)
    with pytest.raises(kren.InvalidOption, match="zero"):
        kren.Writer(channel, 4096, schema="a\0b")
