"""The exception tree: one class for each code of KREN's shared error table."""

import errno as _errno

from kren import _kren

__all__ = [
    "Busy",
    "Cancelled",
    "CapacityMismatch",
    "Closed",
    "Corrupt",
    "Empty",
    "EndpointClosed",
    "Evicted",
    "Forked",
    "Full",
    "Interrupted",
    "InvalidCapacity",
    "InvalidName",
    "InvalidOption",
    "Io",
    "KrenError",
    "Lagged",
    "NoSeat",
    "NoServer",
    "NotAnArray",
    "NotFound",
    "OutOfMemory",
    "PeerDied",
    "PermissionDenied",
    "ReaderExists",
    "Remote",
    "Removed",
    "SchemaMismatch",
    "ServerDied",
    "TimedOut",
    "TooLarge",
    "VersionMismatch",
    "WriterExists",
    "WrongKind",
]


class KrenError(Exception):
    """The base of everything that KREN raises about a channel.

    Each subclass also derives from the builtin exception that fits it, so that
    ``except TimeoutError`` works as well as ``except kren.TimedOut``.
    """

    code: int = 0
    """Number of the error in the table that all languages share."""

    code_name: str = ""
    """Name of the error in that table, for example ``"TIMED_OUT"``."""

    channel: str | None
    """Name of the channel, if the error is about one."""

    written: int | None = None
    """How many messages write_many had written before this, if it comes from there."""

    def __init__(self, message: str = "", channel: str | None = None) -> None:
        # One argument on purpose: OSError would take two for an errno and its text.
        super().__init__(message)
        self.channel = channel

    # OSError's own would put "[Errno n]" before a message that says it better.
    __str__ = BaseException.__str__


class NotFound(KrenError, FileNotFoundError):
    """No channel of that name exists."""

    code = 1
    code_name = "NOT_FOUND"
    errno: int | None = _errno.ENOENT


class WriterExists(KrenError, OSError):
    """A live writer already holds the channel; the message names its process id."""

    code = 2
    code_name = "WRITER_EXISTS"
    errno: int | None = _errno.EADDRINUSE


class ReaderExists(KrenError, OSError):
    """A live reader already holds the channel; the message names its process id."""

    code = 3
    code_name = "READER_EXISTS"
    errno: int | None = _errno.EADDRINUSE


class Full(KrenError, BlockingIOError):
    """The ring has no room for the message now."""

    code = 4
    code_name = "FULL"
    errno: int | None = _errno.EAGAIN


class Empty(KrenError, BlockingIOError):
    """The ring holds no message now."""

    code = 5
    code_name = "EMPTY"
    errno: int | None = _errno.EAGAIN


class TimedOut(KrenError, TimeoutError):
    """The timeout passed first. Nothing was read, written or lost."""

    code = 6
    code_name = "TIMED_OUT"
    errno: int | None = _errno.ETIMEDOUT


class Closed(KrenError, BrokenPipeError):
    """The other side closed the channel, and nothing is left to do on it."""

    code = 7
    code_name = "CLOSED"
    errno: int | None = _errno.EPIPE


class EndpointClosed(Closed, ValueError):
    """This endpoint was closed here; a ValueError, as for a closed file."""

    errno: int | None = _errno.EBADF


class PeerDied(KrenError, BrokenPipeError):
    """The other side's process died without closing; what it committed is safe."""

    code = 8
    code_name = "PEER_DIED"
    errno: int | None = _errno.EPIPE


class TooLarge(KrenError, ValueError):
    """The message can never fit this channel."""

    code = 9
    code_name = "TOO_LARGE"


class InvalidName(KrenError, ValueError):
    """The channel name breaks the naming rules."""

    code = 10
    code_name = "INVALID_NAME"


class InvalidCapacity(KrenError, ValueError):
    """The capacity is zero, negative, or more than the platform can map."""

    code = 11
    code_name = "INVALID_CAPACITY"


class CapacityMismatch(KrenError, ValueError):
    """The channel exists with another capacity or alignment and cannot be replaced."""

    code = 12
    code_name = "CAPACITY_MISMATCH"


class PermissionDenied(KrenError, PermissionError):
    """The operating system, or the check of the owner, refused access."""

    code = 13
    code_name = "PERMISSION_DENIED"
    errno: int | None = _errno.EACCES


class OutOfMemory(KrenError, OSError):
    """There is not enough shared memory for the channel.

    An OSError with ENOSPC and no MemoryError: what is full is a file system (``/dev/shm``), and
    the interpreter's own memory is as good as before.
    """

    code = 14
    code_name = "OUT_OF_MEMORY"
    errno: int | None = _errno.ENOSPC


class Corrupt(KrenError, OSError):
    """The shared bytes break the rules of the format: something other than KREN altered them."""

    code = 15
    code_name = "CORRUPT"
    errno: int | None = _errno.EIO


class VersionMismatch(KrenError, RuntimeError):
    """The channel was made by an incompatible version of KREN."""

    code = 16
    code_name = "VERSION_MISMATCH"


class Forked(KrenError, RuntimeError):
    """The endpoint was inherited through fork and belongs to the parent process."""

    code = 17
    code_name = "FORKED"


class Interrupted(KrenError, InterruptedError):
    """The wait was given up because the caller asked for it."""

    code = 18
    code_name = "INTERRUPTED"
    errno: int | None = _errno.EINTR


class Io(KrenError, OSError):
    """Any other failure of the operating system; ``errno`` says which."""

    code = 19
    code_name = "IO"


class Busy(KrenError, RuntimeError):
    """Another thread is in the middle of a call on this endpoint."""

    code = 20
    code_name = "BUSY"


class InvalidOption(KrenError, ValueError):
    """An option other than name and capacity is out of range."""

    code = 21
    code_name = "INVALID_OPTION"


class Removed(KrenError, BrokenPipeError):
    """The channel's name no longer leads to this endpoint's segment, and its other side is gone."""

    code = 22
    code_name = "REMOVED"
    errno: int | None = _errno.EPIPE


class Lagged(KrenError, RuntimeError):
    """A lossy subscriber was overtaken, and messages were overwritten before it read them."""

    code = 23
    code_name = "LAGGED"
    missed: int = 0
    """How many messages it missed; the next call goes on behind them."""


class Evicted(KrenError, RuntimeError):
    """A slow subscriber was passed over by a publisher that would not wait any longer."""

    code = 24
    code_name = "EVICTED"
    missed: int = 0
    """How many messages it missed; the next call goes on behind them."""


class NoServer(KrenError, ConnectionRefusedError):
    """No server of that name is there; the request was not sent."""

    code = 25
    code_name = "NO_SERVER"
    errno: int | None = _errno.ECONNREFUSED


class ServerDied(KrenError, ConnectionResetError):
    """The server died before it had answered."""

    code = 26
    code_name = "SERVER_DIED"
    errno: int | None = _errno.ECONNRESET


class Cancelled(KrenError, RuntimeError):
    """The call was cancelled, or is over."""

    code = 27
    code_name = "CANCELLED"


class Remote(KrenError, RuntimeError):
    """The server says that the call failed."""

    code = 28
    code_name = "REMOTE"
    remote_code: int = 0
    """What the server gave to fail()."""
    remote_text: str = ""
    """What the server gave to fail()."""


class SchemaMismatch(KrenError, ValueError):
    """The sides say different things of the messages."""

    code = 29
    code_name = "SCHEMA_MISMATCH"


class NotAnArray(KrenError, ValueError):
    """The message is not the array, the arrays or the table that it was read as."""

    code = 30
    code_name = "NOT_AN_ARRAY"


class WrongKind(KrenError, ValueError):
    """What stands under the name is of another kind, say a broadcast instead of a channel."""

    code = 31
    code_name = "WRONG_KIND"


class NoSeat(KrenError, OSError):
    """All seats for subscribers or members are taken."""

    code = 32
    code_name = "NO_SEAT"
    errno: int | None = _errno.EADDRINUSE


def timed_out(channel: str, what: str, seconds: float) -> TimedOut:
    """Make the exception for a wait that asyncio timed, in the core's words."""
    return TimedOut(
        f"channel '{channel}': no {what} within {seconds * 1000:.0f} ms; wait longer, or check "
        "that the other side runs",
        channel,
    )


def system_error(channel: str, what: str, cause: Exception) -> Io:
    """Make the exception for something that the operating system, or an event loop, refused."""
    error = Io(f"channel '{channel}': {what}, and there is none: {cause}", channel)
    error.errno = getattr(cause, "errno", None) or _errno.EAGAIN
    return error


_by_code = {kind.code: kind for kind in KrenError.__subclasses__()}

# Tracebacks and pickles name the classes where users find them.
for _kind in (KrenError, EndpointClosed, *_by_code.values()):
    _kind.__module__ = "kren"

_kren.adopt_errors(KrenError, _by_code, EndpointClosed)
