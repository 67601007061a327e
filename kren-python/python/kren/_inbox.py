"""Sender and Inbox: many write, one reads; with asyncio and clean exits added."""

from typing import TYPE_CHECKING, final

from kren import _kren
from kren._endpoints import ReadFace, Strategy, WriterFace, lend
from kren._tables import TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator


class Message(bytes):
    """A copy of a message that says more than its bytes: what Inbox.read() returns.

    It is a `bytes`, and can be used as such.
    """

    tag: int = 0
    """The number that it was written with; 0 unless the other side gave one."""

    sender: "_kren.SenderId | None" = None
    """Who sent it, if it comes from an inbox; another for each sender that this inbox has had."""


_kren.adopt_message(Message)


@final
class Sender(_kren.Sender, WriterFace):
    """One of the writing ends of an inbox, of which there may be many.

    name: the inbox's name: 1 to 128 of the characters a-z A-Z 0-9 . _ -
    capacity: size in bytes of the ring that this sender writes into, where no inbox has said it.
    senders: how many the inbox may have at a time, 1 to 1024, if this one comes first.
    alignment, mode, any_owner, strategy: as for Writer().

    It has the face of a Writer, and a ring of its own: no other sender, dead or slow, is ever in
    its way. It may come before its inbox, and what it has written is there also when it is gone.

    Raises NoSeat while all seats are taken, or hold what no inbox has read yet; WrongKind when
    something else has that name; InvalidName, InvalidCapacity, InvalidOption, PermissionDenied,
    OutOfMemory, Corrupt, VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line")

    def __init__(
        self,
        name: str,
        *,
        capacity: int = 1 << 20,
        senders: int = 64,
        alignment: int | None = None,
        mode: int | None = None,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()


@final
class Inbox(TableReader, ReadFace[Message], _kren.Inbox):
    """The reading end of an inbox, into which any number of senders write.

    name: 1 to 128 of the characters a-z A-Z 0-9 . _ -
    capacity: size in bytes of the ring that each sender gets.
    senders: how many there may be at a time, 1 to 1024, unless a sender came first. Each takes a
        page of memory.
    mode, any_owner, strategy: as for Writer().

    Messages of one sender come in their order; those of several are taken in turn. What a sender
    committed before it died arrives whole, and then departures() tells of its end, which is no
    error. Iterating gives message after message and never ends by itself; `async for` does the
    same.

    There is one per name. What it has not read stays for the next inbox of that name, also if it
    is killed.

    Raises WriterExists while another inbox of this name lives, WrongKind, InvalidName,
    InvalidCapacity, InvalidOption, PermissionDenied, OutOfMemory, Corrupt, VersionMismatch or Io.
    """

    __slots__ = ("__weakref__", "_line")

    _attempt = _kren.Inbox.try_read

    def __init__(
        self,
        name: str,
        capacity: int,
        *,
        senders: int = 64,
        mode: int | None = None,
        any_owner: bool = False,
        strategy: Strategy = "adaptive",
    ) -> None:
        self._line = self._new_line(name)
        self._prepare_exit()

    def lend(self, timeout: float | None = None) -> "Iterator[_kren.Lease]":
        """Iterate over the messages where they lie; each has a `sender`.

        Each step gives a lease, and releases the one before, unless something still looks at it.
        Each wait is no longer than timeout.
        """
        return lend(self.borrow, timeout)

    def close(self) -> None:
        super().close()
        self._line.close()

    close.__doc__ = _kren.Inbox.close.__doc__


for _kind in (Message, Sender, Inbox):
    _kind.__module__ = "kren"
