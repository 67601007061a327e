"""What servers and clients of a soak agree on; `src/soak/books.rs` says the same."""

from typing import Final

ONCE: Final = 1
AGAIN: Final = 2
DIED: Final = 3
NOBODY: Final = 4
"""How a call ended."""


def may_retry(number: int) -> bool:
    """Whether a call may be done twice: two of three."""
    return number % 3 != 0


def items(number: int) -> int | None:
    """How many items the answer has; None where it is one reply."""
    return number % 5 if number % 6 == 0 else None
