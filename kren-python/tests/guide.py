"""The programs of docs/guide as they stand there; each begins with its file name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import PATIENCE, Child, child_of

GUIDE = Path(__file__).parents[2] / "docs" / "guide"

_BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs(page: str) -> dict[str, str]:
    """Every Python program of the page, by its name."""
    text = (GUIDE / f"{page}.md").read_text()
    found = dict(_BLOCK.findall(text))
    assert len(found) == text.count("```python"), "each program has a name, and each another"
    return found


def program(page: str, name: str, **channels: str) -> str:
    """The program, with the channels that it names called otherwise."""
    code = programs(page)[name]
    for written, used in channels.items():
        code, count = re.subn(rf'"{written}(?=["-])', f'"{used}', code)
        assert count, f"{page}.md: {name} has no channel {written}"
    return code


@contextmanager
def running(
    folder: Path, page: str, name: str, *arguments: str, **channels: str
) -> Iterator[Child]:
    """The program, in a process and a file of its own."""
    file = folder / name
    file.write_text(program(page, name, **channels))
    with child_of([str(file), *arguments], folder) as started:
        yield started


def output(folder: Path, page: str, name: str, *arguments: str, **channels: str) -> str:
    """What the program prints, when it has ended well."""
    with running(folder, page, name, *arguments, **channels) as started:
        return started.output(4 * PATIENCE)  # some import half a gigabyte first
