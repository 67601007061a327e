"""The measuring process in Python; it obeys the same orders as the one in Rust (see src/peer.rs).

A transport is a pair of callables: ``send(payload)`` and ``receive() -> bytes``. Every message
becomes a ``bytes`` object of its own, unless the transport says otherwise, so every byte is read.
The loops around them are the same for all.
"""

import itertools
import json
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

from transports import Ends, available

PAUSE_NS = 150_000
"""Longer than any adaptive wait spins, so that the reader sleeps when the message comes."""


def lead(ends: Ends, test: str, count: int) -> dict:
    send, receive, payload = ends.send, ends.receive, ends.payload
    now = time.monotonic_ns
    # One message there and back: after it both sides are here.
    send(payload)
    receive()
    processor, start = time.process_time_ns(), now()
    if test == "trips":
        for _ in range(count):
            send(payload)
            message = receive()
        check(ends, message)
    elif test == "timed":
        return {"samples": timed(ends, count)}
    elif test == "stream":
        ends.send_many(count)
        receive()
    elif test == "wake":
        return {"times": wake(ends, count)}
    else:
        time.sleep(count / 1e9)
        send(payload)
        return {}
    return {"ns": now() - start, "cpu_ns": time.process_time_ns() - processor}


def timed(ends: Ends, count: int) -> list[int]:
    send, receive, payload = ends.send, ends.receive, ends.payload
    now = time.monotonic_ns
    times = []
    for _ in range(count):
        send(payload)
        # While the message travels.
        times.append(now())
        receive()
    return [after - before for before, after in itertools.pairwise(times)]


def wake(ends: Ends, count: int) -> list[int]:
    now = time.monotonic_ns
    sent = []
    for number in range(count):
        end = now() + PAUSE_NS + number % 7 * 9_000
        while now() < end:
            pass
        sent.append(now())
        ends.send(ends.payload)
    return sent


def follow(ends: Ends, test: str, count: int) -> dict:
    send, receive, payload = ends.send, ends.receive, ends.payload
    receive()
    send(payload)
    processor, switches = time.process_time_ns(), context_switches()
    if test in ("trips", "timed"):
        for _ in range(count):
            message = receive()
            send(payload)
        check(ends, message)
    elif test == "stream":
        check(ends, ends.receive_many(count))
        send(payload)
    elif test == "wake":
        arrived = []
        for _ in range(count):
            receive()
            arrived.append(time.monotonic_ns())
        return {"times": arrived}
    else:
        receive()
    return {
        "cpu_ns": time.process_time_ns() - processor,
        "switches": context_switches() - switches,
    }


def all_to_all(ends: Ends, what: str, count: int, begin: int) -> dict:
    """One side's share of `spread`, `gather` or `deal`: see src/peer.rs."""
    now = time.monotonic_ns
    if what == "deal" and not ends.leads:
        return dealt(ends)
    if ends.leads == (what == "gather"):
        check(ends, ends.receive_many(count * (ends.followers if ends.leads else 1)))
        return {"end": now()}
    time.sleep(max(0, begin - now()) / 1e9)
    start = now()
    ends.send_many(count)
    end = now()
    if what == "deal":
        finish(ends)
    return {"start": start, "end": end}


END = b"end"
"""Begins the message after which one that was dealt to stops; longer or shorter than all others."""
LOOKS = 16
"""Messages between two looks at the clock."""


def finished(ends: Ends, at: int) -> Path:
    return Path(tempfile.gettempdir(), f"{ends.session}-{ends.run}-{at}.end")


def finish(ends: Ends) -> None:
    """Gives each of the others an end; more than one each where somebody got several."""
    for _ in range(ends.followers):
        ends.send(END + b"%d" % ends.run)
    left = {finished(ends, at) for at in range(ends.followers)}
    while left := {path for path in left if not path.exists()}:
        time.sleep(0.02)
        ends.send(END + b"%d" % ends.run)
    for at in range(ends.followers):
        finished(ends, at).unlink()
    ends.run += 1


def dealt(ends: Ends) -> dict:
    receive, size, now = ends.receive, ends.size, time.monotonic_ns
    end = END + b"%d" % ends.run
    count, last = 0, 0
    while True:
        for _ in range(LOOKS):
            message = receive()
            if len(message) == size:
                count += 1
            elif message == end:
                finished(ends, ends.at).touch()
                ends.run += 1
                return {"end": last, "count": count}
        last = now()


def context_switches() -> int:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw + usage.ru_nivcsw


def check(ends: Ends, message: bytes) -> None:
    """The last message stands for all: comparing each would cost more than most transports do."""
    if bytes(message) != bytes(ends.payload):
        raise ValueError("the last message is not the one that was sent")


def obey(transports: dict, opened: dict, order: dict) -> dict:
    do, name, key = order["do"], order.get("name"), order.get("as")
    if do == "list":
        shown = [one for one in transports.values() if one.listed or order.get("all")]
        return {"entries": [transport.describe() for transport in shown]}
    if do == "open":
        if name not in transports:
            raise ValueError(f"there is no transport {name} here")
        opened[key] = (order["side"], transports[name](order))
        return {}
    if do == "run":
        side, ends = opened[key]
        return (lead if side == "lead" else follow)(ends, order["test"], order["count"])
    if do in ("spread", "gather", "deal"):
        return all_to_all(opened[key][1], do, order["count"], order["begin"])
    if do == "close":
        opened.pop(key)[1].close()
        return {}
    raise ValueError(f"there is no order {do} here")


def main() -> None:
    transports = {transport.name: transport for transport in available()}
    opened: dict = {}
    for line in sys.stdin:
        try:
            answer = obey(transports, opened, json.loads(line))
        # Whatever goes wrong in a rival, the others are still to be measured.
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    for _, ends in opened.values():
        ends.close()


if __name__ == "__main__":
    main()
