"""The blocks of docs/guide/objects.md, as they stand there."""

from pathlib import Path
from typing import Any

import kren
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "objects.md"

SECTIONS = PAGE.read_text("utf-8").split("\n## ")[1:]

RECIPES = [
    (section.split(maxsplit=1)[0], section.partition("```python\n")[2].partition("```")[0])
    for section in SECTIONS
]

VALUES: dict[str, Any] = {
    "JSON": {"id": 7, "names": ["a", "ü"], "ratio": 0.5, "none": None},
    "MessagePack": {"id": 7, "names": ["a", "ü"], "ratio": 0.5, "raw": b"\x00\xff"},
    "Protobuf": {"seconds": 1_800_000_000, "nanos": 5},
}


@pytest.mark.parametrize(("name", "code"), RECIPES, ids=lambda value: value.partition("\n")[0])
def test_a_recipe_works_as_it_stands(channel: str, name: str, code: str) -> None:
    functions: dict[str, Any] = {}
    exec(code, functions)  # noqa: S102 - it is ours
    with kren.Writer(channel, 65536) as writer, kren.Reader(channel) as reader:
        for _ in range(3):
            functions["send"](writer, VALUES[name])
        for _ in range(3):
            assert functions["receive"](reader) == VALUES[name]
        assert reader.held == 0


def test_every_recipe_is_there() -> None:
    assert [name for name, _ in RECIPES] == list(VALUES)
