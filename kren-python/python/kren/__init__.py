"""Messages between processes on one machine, through shared memory.

A channel has a name, one writer and one reader; the other side may be in Python, Node.js or Rust.

    import kren

    with kren.Writer("my_channel", 1024 * 1024) as writer:
        writer.write(b"Hello from Python!")

    with kren.Reader("my_channel") as reader:
        print(reader.read())

A broadcast has one kren.Publisher, which writes each message once, and many kren.Subscribers. An
inbox has one kren.Inbox and many kren.Senders. A work queue has one kren.Dealer and many
kren.Workers. A service has one kren.Server and many kren.Clients.

Everything that can wait takes a timeout in seconds, lets other threads run, and can be interrupted
by Ctrl-C. With asyncio use ``await kren.connect(name)``, ``await reader.aread()``, ``async for
message in reader`` and ``await writer.awrite(data)``. Errors are subclasses of KrenError and of the
builtin that fits.
"""

from kren._arrays import ArraySlot
from kren._broadcast import Publisher, Subscriber
from kren._connect import connect, stand_by, subscribe
from kren._endpoints import Reader, Start, Strategy, Writer
from kren._errors import (
    Busy,
    Cancelled,
    CapacityMismatch,
    Closed,
    Corrupt,
    Empty,
    EndpointClosed,
    Evicted,
    Forked,
    Full,
    Interrupted,
    InvalidCapacity,
    InvalidName,
    InvalidOption,
    Io,
    KrenError,
    Lagged,
    NoSeat,
    NoServer,
    NotAnArray,
    NotFound,
    OutOfMemory,
    PeerDied,
    PermissionDenied,
    ReaderExists,
    Remote,
    Removed,
    SchemaMismatch,
    ServerDied,
    TimedOut,
    TooLarge,
    VersionMismatch,
    WriterExists,
    WrongKind,
)
from kren._inbox import Inbox, Message, Sender
from kren._inspect import ChannelInfo, SideInfo, channels, inspect
from kren._kren import (
    Array,
    Departure,
    Lease,
    Request,
    SenderId,
    Slot,
    SubscriberInfo,
    __version__,
)
from kren._queue import Dealer, Worker
from kren._selector import EVENT_READ, EVENT_WRITE, Selector, SelectorKey
from kren._service import Call, Client, Server

__all__ = [
    "EVENT_READ",
    "EVENT_WRITE",
    "Array",
    "ArraySlot",
    "Busy",
    "Call",
    "Cancelled",
    "CapacityMismatch",
    "ChannelInfo",
    "Client",
    "Closed",
    "Corrupt",
    "Dealer",
    "Departure",
    "Empty",
    "EndpointClosed",
    "Evicted",
    "Forked",
    "Full",
    "Inbox",
    "Interrupted",
    "InvalidCapacity",
    "InvalidName",
    "InvalidOption",
    "Io",
    "KrenError",
    "Lagged",
    "Lease",
    "Message",
    "NoSeat",
    "NoServer",
    "NotAnArray",
    "NotFound",
    "OutOfMemory",
    "PeerDied",
    "PermissionDenied",
    "Publisher",
    "Reader",
    "ReaderExists",
    "Remote",
    "Removed",
    "Request",
    "SchemaMismatch",
    "Selector",
    "SelectorKey",
    "Sender",
    "SenderId",
    "Server",
    "ServerDied",
    "SideInfo",
    "Slot",
    "Start",
    "Strategy",
    "Subscriber",
    "SubscriberInfo",
    "TimedOut",
    "TooLarge",
    "VersionMismatch",
    "Worker",
    "Writer",
    "WriterExists",
    "WrongKind",
    "__version__",
    "channels",
    "connect",
    "inspect",
    "stand_by",
    "subscribe",
]
