"""What channels there are, seen from outside: nobody is disturbed."""

from typing import Literal, NotRequired, TypedDict, cast

from kren import _kren

State = Literal[
    "idle",
    "full",
    "waiting for a reader",
    "waiting for a writer",
    "writer died",
    "reader died",
    "undelivered",
    "stale",
    "open",
    "owner died",
    "damaged",
    "other version",
    "unreadable",
]


class SideInfo(TypedDict):
    """A seat of a channel, and who has it."""

    seat: int
    state: Literal["never attached", "attached", "closed", "died", "unknown"]
    pid: int
    is_elsewhere: bool
    session: int
    since: float | None
    position: int
    count: int
    wakes: int
    sleeps: int
    is_asleep: bool
    asleep_since: float | None
    is_streaming: bool
    uses_barrier: bool
    stance: Literal["lossy", "lossless", "durable"] | None
    is_passed_over: bool
    identity: int
    advice: int
    lane: int


class SchemaInfo(TypedDict):
    """What the messages of a channel are."""

    name: str
    hash: int
    text: str


class OriginInfo(TypedDict):
    """Of which segment, on which machine, a channel is the mirror."""

    name: str
    hash: int
    instance: int


class ChannelInfo(TypedDict):
    """What is known of a channel.

    The first five are always there, ``reason`` for what is damaged or cannot be read, and the rest
    for a segment of this version; those of the ring (from ``written`` on) where it has one.
    """

    name: str
    state: State
    bytes: int
    owner: int | None
    mode: int | None
    reason: NotRequired[str]
    version: NotRequired[int]
    kind: NotRequired[str]
    capacity: NotRequired[int]
    alignment: NotRequired[int]
    granularity: NotRequired[int]
    seats: NotRequired[int]
    evicts: NotRequired[bool]
    instance: NotRequired[int]
    created: NotRequired[float | None]
    creator: NotRequired[int]
    group: NotRequired[int | None]
    schema: NotRequired[SchemaInfo | None]
    origin: NotRequired[OriginInfo | None]
    writer: NotRequired[SideInfo]
    readers: NotRequired[list[SideInfo]]
    written: NotRequired[int]
    written_bytes: NotRequired[int]
    released: NotRequired[int]
    released_bytes: NotRequired[int]
    undelivered: NotRequired[int]
    used: NotRequired[int]
    kept: NotRequired[int]
    marks: NotRequired[int]
    damage: NotRequired[str | None]


def channels() -> list[ChannelInfo]:
    """Return what is known of every channel that this user can see, by name.

    Takes no part in any, and stores nothing. What is damaged, of another version or not to be read
    is in the list as what it is. Raises Io where shared memory cannot be listed (only Linux can).
    """
    return cast(list[ChannelInfo], _kren.channels())


def inspect(name: str) -> ChannelInfo:
    """Return what is known of the channel ``name``.

    Takes no part in it, and stores nothing. Raises NotFound and InvalidName.
    """
    return cast(ChannelInfo, _kren.inspect_channel(name))
