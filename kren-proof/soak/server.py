"""The Python server of a soak; `src/soak/callers.rs` is its twin."""

import kren
from calls import items
from plan import LAST, LOOK, Control, Ledgers, Task


def serve(task: Task, control: Control) -> kren.Server | None:
    """The server, when it is its turn; None if it was told to stop meanwhile."""
    while True:
        try:
            return kren.Server(
                task.channel,
                capacity=task.capacity,
                standby=LOOK,
                strategy=task.strategy,
            )
        except kren.TimedOut:
            if control.word():
                return None


def main() -> None:
    task = Task.parse()
    control = task.control()
    ledgers = Ledgers(task.folder)
    server = serve(task, control)
    if server is None:
        return
    with server:
        while control.word() == 0 or (control.word() == LAST and server.clients):
            try:
                request = server.read(LOOK)
            except kren.TimedOut:
                continue
            body = bytes(request)
            session, number = task.plan.check(body)
            ledgers.note(session, number)
            count = items(number)
            if count is None:
                request.reply(body, tag=number)
                continue
            for _ in range(count):
                request.item(body, tag=number)
            request.end()


main()
