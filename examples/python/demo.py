"""Measures a Python writer and a Node reader, then kills the reader and shows that nothing is lost.

Usage: python demo.py NODE DEMO_JS [KREN]
With KREN, the program of the command line, it ends with what that sees of the channels.
`cargo xtask demo` builds everything and runs this.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import kren

SIZES = {"64 B": 64, "1 KiB": 1024, "64 KiB": 64 * 1024, "1 MiB": 1024 * 1024}
SECONDS = 0.5
MESSAGES = 100_000
KILLED_AT = 40_000
NAME = f"demo-{os.getpid()}"


def start_node(task: str, *arguments: str) -> subprocess.Popen[str]:
    command = [*sys.argv[1:3], task, NAME, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603


def line(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that Node prints."""
    text = process.stdout.readline() if process.stdout else ""
    if not text:
        sys.exit("Node ended too soon")
    return text


def percentile(sorted_times: list[int], share: float) -> float:
    return sorted_times[min(int(len(sorted_times) * share), len(sorted_times) - 1)] / 1e3


def round_trips(writer: kren.Writer, back: kren.Reader, payload: bytes) -> list[int]:
    """Send `payload` there and back for a while; give each trip's nanoseconds, sorted."""
    times = []
    clock = time.perf_counter_ns
    end = clock() + int(SECONDS * 1e9)
    while (begin := clock()) < end:
        writer.write(payload)
        back.read()
        times.append(clock() - begin)
    writer.write(b"")
    # The first trips warm up both interpreters.
    return sorted(times[len(times) // 10 :])


def one_way(writer: kren.Writer, back: kren.Reader, payload: bytes) -> tuple[int, float]:
    """Send `payload` for a while; give how many messages Node read, and in how many seconds."""
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for _ in range(16):
            writer.write(payload)
    writer.write(b"")
    messages, seconds = json.loads(back.read())
    return messages, seconds


def look(writer: kren.Writer, back: kren.Reader) -> list[str]:
    """Send once more, for those who look on; give what the command line sees meanwhile."""
    program = sys.argv[3]
    payload = bytes(64)
    round_trips(writer, back, payload)
    top = ["top", "--once", "--interval", "300ms", "--filter", NAME]
    lookers = [
        subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True)  # noqa: S603
        for words in (["ls", NAME], top)
    ]
    one_way(writer, back, payload)
    return [looker.communicate()[0] for looker in lookers]


def measure() -> list[str]:
    seen: list[str] = []
    print("           one way, Python -> Node     round trip Python -> Node -> Python, us")
    print("  size        messages/s      GB/s         p50       p90       p99     p99.9")
    is_watched = len(sys.argv) > 3
    node = start_node("measure", str(len(SIZES) + is_watched))
    with (
        kren.Writer(f"{NAME}-there", 16 * 1024 * 1024) as writer,
        kren.Reader(f"{NAME}-back", timeout=10) as back,
    ):
        for label, size in SIZES.items():
            payload = bytes(size)
            trips = round_trips(writer, back, payload)
            messages, seconds = one_way(writer, back, payload)
            rate = messages / seconds
            shares = "".join(f"{percentile(trips, p):10.1f}" for p in (0.5, 0.9, 0.99, 0.999))
            print(f"  {label:<8}{rate:>14,.0f}{rate * size / 1e9:>10.2f}  {shares}", flush=True)
        if is_watched:
            seen = look(writer, back)
    if node.wait() != 0:
        sys.exit("Node failed")
    return seen


def write_all(writer: kren.Writer, first: int, reached: Callable[[int], None]) -> int:
    """Write the numbers from `first` on; give the one that found the reader dead."""
    for number in range(first, MESSAGES):
        reached(number)
        try:
            writer.write(number.to_bytes(8, "little"))
        except kren.PeerDied:
            return number
    return MESSAGES


def survive() -> None:
    """Kill the reader in the middle of a stream, and start another."""
    node = start_node("collect")
    killed = 0.0

    def kill_when_due(number: int) -> None:
        nonlocal killed
        if number == KILLED_AT:
            node.kill()
            killed = time.perf_counter()

    with kren.Writer(f"{NAME}-crash", 64 * 1024) as writer:
        line(node)
        stopped_at = write_all(writer, 0, kill_when_due)
        noticed = (time.perf_counter() - killed) * 1e3
        node.wait()
        second = start_node("collect")
        line(second)
        write_all(writer, stopped_at, lambda _: None)
        writer.write(b"")
        first, messages, in_order = json.loads(line(second))
    if second.wait() != 0 or not in_order or first + messages != MESSAGES:
        sys.exit(f"messages were lost: {messages} from {first} on, in order: {in_order}")
    print(f"\n  kill -9 of the Node reader in mid-stream: Python knew {noticed:.1f} ms later.")
    print(f"  A second Node went on at message {first:,}; all {MESSAGES:,} arrived, in order.")


seen = measure()
survive()
for title, text in zip(("kren ls", "kren top"), seen, strict=False):
    print(f"\n  {title}, while the messages flowed:\n")
    print("".join(f"  {line}\n" for line in text.splitlines()), end="")
