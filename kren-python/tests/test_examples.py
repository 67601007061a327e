"""The examples of work queues and services do what they say, across processes of their own."""

from contextlib import AbstractContextManager
from pathlib import Path

import kren

from support import Child, child_of, until

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"


def example(program: str, *arguments: str) -> AbstractContextManager[Child]:
    return child_of([f"{program}.py", *arguments], EXAMPLES)


def test_tasks_are_dealt_done_and_collected(group: str) -> None:
    """P7, P9, P10: also where a worker is killed."""
    with (
        example("tasks_collector", group, "500") as collector,
        example("tasks_worker", group) as one,
        example("tasks_worker", group) as two,
        example("tasks_worker", group) as victim,
    ):
        for worker in (one, two, victim):
            assert worker.line() == "ready"
        with example("tasks_dealer", group, "500") as dealer:
            victim.kill()
            dealt, *sent = dealer.output().splitlines()
        assert dealt == "dealt 500 tasks"
        _, collected, *received = collector.output().splitlines()
        assert collected.startswith("collected 500 results of ")
        assert received == sent
        # What the killed one had begun may have been done twice.
        assert sum(int(worker.output().split()[1]) for worker in (one, two)) <= 500


def test_a_model_is_asked(group: str) -> None:
    """P11."""
    with example("model_server", group) as server:
        assert server.line() == "serving"
        with kren.Client(group) as client:
            until(lambda: client.server_state == "attached")
        with example("model_client", group, "50") as client_:
            assert client_.output() == "scored 50\nONE WORD AT A TIME\n"
        server.process.terminate()
        assert server.end() == 0
