"""Arrays and tables from one Python process to another, beside other ways, in turns; medians of the rounds.

Usage: python arrays.py [ROUNDS]     (in kren-python/.venv, the package built in release, on a quiet machine)
"""

import json
import multiprocessing as mp
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import kren
import numpy
import pyarrow
import pyarrow.ipc

COUNT = 1000
"""Arrays of 1 MiB in a round."""
ARRAY = numpy.arange(1 << 18, dtype="float32")
TABLES = 40
TABLE = pyarrow.table({f"c{i}": numpy.arange(250_000, dtype="float64") + i for i in range(5)})


def name_of(what: str) -> str:
    return f"bench-{what}-{os.getppid()}-{os.getpid()}"


def timed(channel: str, write: Callable[..., None], read: Callable[..., Any], *extra: Any) -> Any:
    """Messages a second: the reader, this process, counts from the first to the last."""
    writer = mp.get_context("spawn").Process(target=write, args=(channel, *extra))
    writer.start()
    found = read(channel, *extra)
    writer.join()
    return found


SMALL = 4 << 20
LARGE = 16 << 20
"""Rings that stay in a cache of 32 MiB whose half others use, and that do not."""


def write_arrays(channel: str, capacity: int, built: bool) -> None:
    with kren.Writer(channel, capacity, alignment=64) as writer:
        for _ in range(COUNT):
            if built:
                with writer.reserve_array(ARRAY.shape, "float32") as room:
                    room[:] = ARRAY
            else:
                writer.write_array(ARRAY)
        writer.flush()


def read_arrays(channel: str, _capacity: int, _built: bool) -> Any:
    with kren.Reader(channel, timeout=30) as reader:
        return rate(lambda: reader.read_array()[::16].sum(), COUNT)


def write_raw(channel: str) -> None:
    with kren.Writer(channel, LARGE, alignment=64) as writer:
        for _ in range(COUNT):
            with writer.reserve(ARRAY.nbytes) as slot:
                numpy.frombuffer(slot, "float32")[:] = ARRAY
        writer.flush()


def read_raw(channel: str) -> Any:
    def one() -> None:
        with reader.borrow() as lease:
            numpy.frombuffer(lease, "float32")[::16].sum()

    with kren.Reader(channel, timeout=30) as reader:
        return rate(one, COUNT)


def write_queue(_channel: str, queue: Any) -> None:
    for _ in range(COUNT):
        queue.put(ARRAY)


def read_queue(_channel: str, queue: Any) -> Any:
    return rate(lambda: queue.get()[::16].sum(), COUNT)


def write_slots(_channel: str, memory: str, free: Any, full: Any, count: int) -> None:
    block = shared_memory.SharedMemory(memory)
    views = numpy.ndarray((count, ARRAY.size), "float32", block.buf)
    for i in range(COUNT):
        free.acquire()
        views[i % count][:] = ARRAY
        full.release()
    del views
    block.close()


def read_slots(_channel: str, memory: str, free: Any, full: Any, count: int) -> Any:
    block = shared_memory.SharedMemory(memory)
    views = numpy.ndarray((count, ARRAY.size), "float32", block.buf)
    place = iter(range(COUNT))

    def one() -> None:
        full.acquire()
        views[next(place) % count][::16].sum()
        free.release()

    found = rate(one, COUNT)
    del views
    block.close()
    return found


def write_tables(channel: str) -> None:
    with kren.Writer(channel, 64 << 20, alignment=64) as writer:
        for _ in range(TABLES):
            writer.write_table(TABLE)
        writer.flush()


def read_tables(channel: str) -> Any:
    with kren.Reader(channel, timeout=30) as reader:
        return rate(lambda: look(reader.read_table()), TABLES)


def write_socket(_channel: str, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        with peer.makefile("wb", buffering=1 << 20) as sink:
            for _ in range(TABLES):
                with pyarrow.ipc.new_stream(sink, TABLE.schema) as stream:
                    stream.write_table(TABLE)


def read_socket(_channel: str, path: str) -> Any:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        peer, _ = server.accept()
        with peer, peer.makefile("rb", buffering=1 << 20) as source:
            found = rate(lambda: look(pyarrow.ipc.open_stream(source).read_all()), TABLES)
    os.unlink(path)
    return found


def look(table: Any) -> None:
    for column in table.columns:
        column.chunk(0).to_numpy()[::8].sum()


def rate(one: Callable[[], Any], count: int) -> float:
    one()
    started = time.perf_counter()
    for _ in range(count - 1):
        one()
    return (count - 1) / (time.perf_counter() - started)


def slots(memory: int) -> float:
    """As many as a ring of that memory has room for."""
    context = mp.get_context("spawn")
    count = memory // ARRAY.nbytes - 1
    block = shared_memory.SharedMemory(create=True, size=count * ARRAY.nbytes)
    try:
        free, full = context.Semaphore(count), context.Semaphore(0)
        return timed("", write_slots, read_slots, block.name, free, full, count)
    finally:
        block.close()
        block.unlink()


def arrays(capacity: int, built: bool) -> float:
    return timed(name_of("arrays"), write_arrays, read_arrays, capacity, built)


def header_cost() -> tuple[float, float]:
    """Nanoseconds that an array of 64 bytes takes beyond the same bytes raw, on both sides together."""
    small = numpy.arange(16, dtype="float32")
    with kren.Writer(name_of("header"), 1 << 20, alignment=64) as writer, kren.Reader(writer.name) as reader:

        def raw() -> None:
            writer.write(small)
            with reader.borrow() as lease:
                numpy.frombuffer(lease, "float32")

        def array() -> None:
            writer.write_array(small)
            reader.read_array()

        best = {}
        for _ in range(200):
            for way in (raw, array):
                started = time.perf_counter_ns()
                for _ in range(500):
                    way()
                took = (time.perf_counter_ns() - started) / 500
                best[way] = min(best.get(way, took), took)
        return best[raw], best[array]


FRAMES = 300
NODE = Path(__file__).parents[1] / "node" / "arrays.js"


def frames() -> tuple[float, float, float]:
    """Microseconds from before a frame of 1080p is written, until Node.js has it, and has looked at each line of it;
    medians, and the 99th percentile of the former. Both sides are awake."""
    frame = numpy.random.default_rng(1).integers(0, 255, (1080, 1920, 3), "uint8")
    channel = name_of("frames")
    there, seen = [], []
    with kren.Writer(channel, 8 << 20, alignment=64, strategy="spin") as writer:
        child = subprocess.Popen(["node", NODE, "frames", channel, str(FRAMES)])
        with kren.Reader(f"{channel}-back", timeout=30, strategy="spin") as reader:
            for _ in range(FRAMES):
                # Node.js' clock is the same.
                started = time.monotonic_ns()
                writer.write_array(frame)
                answer = reader.read_array()
                there.append((int(answer[0]) - started) / 1000)
                seen.append((int(answer[1]) - started) / 1000)
                del answer
        child.wait()
    # The first ones are read by code that is not compiled yet, from pages that nobody has touched.
    there, seen = sorted(there[50:]), sorted(seen[50:])
    return statistics.median(there), statistics.median(seen), there[len(there) * 99 // 100]


RATIOS = [
    ("arrays of 1 MiB, 16 MiB of memory", "multiprocessing.Queue"),
    ("arrays of 1 MiB, 16 MiB of memory", "shared_memory slots by hand"),
    ("the same, built in place", "shared_memory slots by hand"),
    ("the same, built in place", "the same bytes, reserve and borrow"),
    ("arrays of 1 MiB, 4 MiB of memory", "shared_memory slots by hand "),
    ("the same, built in place ", "shared_memory slots by hand "),
    ("tables of 10 MB, in place", "Arrow IPC over a Unix socket"),
]
"""Medians of the ratios within a round: a round's ways have the machine as it is just then."""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    context = mp.get_context("spawn")
    ways: dict[str, Callable[[], float]] = {
        "arrays of 1 MiB, 16 MiB of memory": lambda: arrays(LARGE, False),
        "the same, built in place": lambda: arrays(LARGE, True),
        "the same bytes, reserve and borrow": lambda: timed(name_of("raw"), write_raw, read_raw),
        "shared_memory slots by hand": lambda: slots(LARGE),
        "arrays of 1 MiB, 4 MiB of memory": lambda: arrays(SMALL, False),
        "the same, built in place ": lambda: arrays(SMALL, True),
        "shared_memory slots by hand ": lambda: slots(SMALL),
        "multiprocessing.Queue": lambda: timed("", write_queue, read_queue, context.Queue()),
        "tables of 10 MB, in place": lambda: timed(name_of("tables"), write_tables, read_tables),
        "Arrow IPC over a Unix socket": lambda: timed(
            "", write_socket, read_socket, f"/tmp/{name_of('socket')}"
        ),
    }
    seen: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, measure in ways.items():
            seen[way].append(measure())
    print(f"{'':<36}{'a second':>10}{'least':>10}{'most':>10}")
    for way, rates in seen.items():
        print(f"{way:<36}{statistics.median(rates):>10.0f}{min(rates):>10.0f}{max(rates):>10.0f}")
    for one, other in RATIOS:
        within = [left / right for left, right in zip(seen[one], seen[other], strict=True)]
        print(f"{one} x {other}: {statistics.median(within):.2f} ({min(within):.2f} to {max(within):.2f})")
    raw, array = header_cost()
    print(f"64 bytes written and read in one process: raw {raw:.0f} ns, as an array {array:.0f} ns")
    found = json.loads(subprocess.check_output(["node", NODE, "header"]))
    print(f"the same in Node.js: raw {found['raw']:.0f} ns, as an array {found['array']:.0f} ns")
    there, seen, late = frames()
    print(f"1080p to Node.js: there after {there:.0f} us (p99 {late:.0f}), looked at after {seen:.0f}")


if __name__ == "__main__":
    main()
