"""Arrays and tables leave nothing behind, by whichever path they go: resident memory is flat.

`cargo xtask proof leaks` sends a million by each.
"""

import os
import sys

import pytest

from support import child

COUNT = int(os.environ.get("KREN_TEST_ARRAYS", "5000"))
GROWTH = 1 << 20

ARRAYS = {
    "in place": "writer.write_array(array); reader.read_array()",
    "copied": "writer.write_array(array[::2]); reader.read_array(copy=True)",
    "several": "writer.write_arrays(a=array, b=array); reader.read_arrays()",
    "iterated over": "writer.write_array(array); next(arrays)",
    "built, DLPack": """
        with writer.reserve_array(16, "float32") as room:
            room[:] = 1
        numpy.from_dlpack(reader.borrow_array())""",
    "DLPack, buffer": """
        writer.write_array(numpy.from_dlpack(array))
        memoryview(reader.borrow_array())""",
    "awaited": """
        waiting = asyncio.create_task(reader.aread_array())
        await asyncio.sleep(0)
        await writer.awrite_array(array)
        await waiting""",
    "refused": """
        writer.write_array(array)
        try:
            reader.read_arrays()
        except kren.NotAnArray:
            reader.read()""",
}
TABLES = {
    "pyarrow": "writer.write_table(table); reader.read_table()",
    "polars": "writer.write_table(frame); polars.DataFrame(reader.read_table())",
    "pandas": "writer.write_table(frame.to_pandas()); reader.read_table().to_pandas()",
    "awaited table": """
        writer.write_table(table)
        await reader.aread_table()""",
    "refused table": """
        writer.write_array(array)
        try:
            reader.read_table()
        except kren.NotAnArray:
            reader.read()""",
}

SETUP = """
import asyncio, resource, sys
import kren, numpy, polars, pyarrow
writer = kren.Writer(sys.argv[1], 1 << 16, alignment=64)
reader = kren.Reader(sys.argv[1])
array = numpy.zeros(16, "float32")
arrays = iter(reader.arrays())
table = pyarrow.table({"n": [1, 2, 3], "s": ["a", None, "c"]})
frame = polars.DataFrame(table)

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

async def measure(path, count):
    for _ in range(count // 10):
        await path()
    before = resident()
    for _ in range(count):
        await path()
    # For one turn an event loop keeps the task that it has just ended, and what it returned.
    await asyncio.sleep(0)
    print(resident() - before, reader.held)

loop = asyncio.Runner()
"""

MEASURE = """
async def path():
    {path}
loop.run(measure(path, {count}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is resident")
def test_nothing_is_left_behind(channel: str) -> None:
    counts = [COUNT] * len(ARRAYS) + [COUNT // 20] * len(TABLES)
    paths = ARRAYS | TABLES
    measured = [
        MEASURE.format(path=path, count=count)
        for path, count in zip(paths.values(), counts, strict=True)
    ]
    with child("".join([SETUP, *measured, "loop.close()"]), channel) as other:
        for name, count in zip(paths, counts, strict=True):
            grown, held = map(int, other.line().split())
            print(f"{name}: {count} times, {grown >> 10} KiB more")
            assert grown < GROWTH
            assert held == 0
        assert other.end() == 0
