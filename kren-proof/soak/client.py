"""The Python client of a soak; `src/soak/callers.rs` is its twin."""

import sys
import time

import kren
from calls import AGAIN, DIED, NOBODY, ONCE, items, may_retry
from plan import BREATHER, DONE, INTENT, WEDGED, Ledger, Task, Words

WINDOW = 4
"""Calls under way at most."""


def answer(call: kren.Call, number: int, sent: bytes) -> int:
    """How a call ends; all that comes must be what the server was sent."""
    try:
        answers = [call.result()] if items(number) is None else list(call)
    except kren.ServerDied:
        if may_retry(number):
            raise
        return DIED
    if any(reply != sent or reply.tag != number for reply in answers):
        sys.exit(f"call {number} was answered with {answers}")
    if items(number) not in (None, len(answers)):
        sys.exit(f"call {number} had {len(answers)} answers")
    return AGAIN if may_retry(number) else ONCE


def main() -> None:
    task = Task.parse()
    control = task.control()
    journal = Words(task.folder / f"writer-{task.session}")
    outcomes = Ledger(task.folder / f"outcome-{task.session}")
    first = 0
    with kren.Client(task.channel, capacity=task.capacity, strategy=task.strategy) as client:
        while control.word() == 0:
            end = first + 1 + first // 3 % WINDOW
            journal[INTENT] = end
            calls: list[tuple[kren.Call, int, bytes]] = []
            for number in range(first, end):
                request = task.plan.message(task.session, number)
                try:
                    call = client.start(request, WEDGED, retry=may_retry(number))
                    calls.append((call, number, request))
                except kren.NoServer:
                    outcomes[number] = NOBODY
            if not calls:
                time.sleep(BREATHER)
            # In another order than they were sent.
            calls.reverse()
            for call, number, request in calls:
                outcomes[number] = answer(call, number, request)
            journal[DONE] = first = end


main()
