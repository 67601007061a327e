"""Arrays and tables from one Python process to another, beside other ways, in turns; medians of the rounds.

Usage: python arrays.py [ROUNDS]     (in kren-python/.venv, the package built in release, on a quiet machine)
"""

import multiprocessing as mp
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing import shared_memory
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


def write_arrays(channel: str) -> None:
    with kren.Writer(channel, 16 << 20, alignment=64) as writer:
        for _ in range(COUNT):
            with writer.reserve_array(ARRAY.shape, "float32") as room:
                room[:] = ARRAY
        writer.flush()


def read_arrays(channel: str) -> Any:
    with kren.Reader(channel, timeout=30) as reader:
        return rate(lambda: reader.read_array()[::16].sum(), COUNT)


def write_raw(channel: str) -> None:
    with kren.Writer(channel, 16 << 20, alignment=64) as writer:
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


SLOTS = 15


def write_slots(_channel: str, memory: str, free: Any, full: Any) -> None:
    block = shared_memory.SharedMemory(memory)
    views = numpy.ndarray((SLOTS, ARRAY.size), "float32", block.buf)
    for i in range(COUNT):
        free.acquire()
        views[i % SLOTS][:] = ARRAY
        full.release()
    del views
    block.close()


def read_slots(_channel: str, memory: str, free: Any, full: Any) -> Any:
    block = shared_memory.SharedMemory(memory)
    views = numpy.ndarray((SLOTS, ARRAY.size), "float32", block.buf)
    place = iter(range(COUNT))

    def one() -> None:
        full.acquire()
        views[next(place) % SLOTS][::16].sum()
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


def slots() -> float:
    context = mp.get_context("spawn")
    block = shared_memory.SharedMemory(create=True, size=SLOTS * ARRAY.nbytes)
    try:
        return timed("", write_slots, read_slots, block.name, context.Semaphore(SLOTS), context.Semaphore(0))
    finally:
        block.close()
        block.unlink()


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


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    context = mp.get_context("spawn")
    ways: dict[str, Callable[[], float]] = {
        "arrays of 1 MiB, in place": lambda: timed(name_of("arrays"), write_arrays, read_arrays),
        "the same bytes, reserve and borrow": lambda: timed(name_of("raw"), write_raw, read_raw),
        "shared_memory slots by hand": slots,
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
    raw, array = header_cost()
    print(f"64 bytes written and read in one process: raw {raw:.0f} ns, as an array {array:.0f} ns")


if __name__ == "__main__":
    main()
