"""Tables in messages: an Arrow IPC stream each, written into the ring, read where it lies.

pyarrow does the work, and is looked for at the first table. polars and pandas go through it.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from kren import _kren
from kren._arrays import ArrayDealer, ArrayReader, ArrayWriter
from kren._errors import NotAnArray
from kren._numpy import find

if TYPE_CHECKING:
    import pyarrow


class TableWriter(ArrayWriter):
    """What a Writer can do with tables."""

    __slots__ = ()

    def write_table(self, table: Any, timeout: float | None = None, *, tag: int = 0) -> None:
        """Write one table, waiting for room while the ring is full; its columns are copied once.

        table: a pyarrow Table or RecordBatch, a polars or pandas DataFrame, or anything else with
            __arrow_c_stream__. Needs pyarrow.
        timeout, tag: as for write().

        Create the channel with alignment=64, as Arrow likes it. Raises what write() does; TypeError
        for what is no table. In all these cases nothing was written.
        """
        arrow = _pyarrow()
        table = _as_arrow(arrow, table)
        # Counts, and copies nothing.
        counter = arrow.MockOutputStream()
        _write_stream(arrow, counter, table)
        slot, room = _kren.table_room(self, counter.size(), timeout, tag)
        with slot:
            try:
                sink = arrow.FixedSizeBufferWriter(arrow.py_buffer(room))
                _write_stream(arrow, sink, table)
                sink.close()
                # It holds the buffer, which the commit asks for.
                del sink
            finally:
                room.release()


class TableDealer(ArrayDealer):
    """What a Dealer can do with tables."""

    __slots__ = ()

    def write_table(
        self,
        table: Any,
        timeout: float | None = None,
        *,
        tag: int = 0,
        key: str | bytes | None = None,
    ) -> None:
        """Give one table to a worker, waiting for one to come, or to have room, if need be.

        table: as for Writer.write_table(); its columns are copied twice.
        timeout, tag, key: as for write().

        Raises what write() does; TypeError for what is no table.
        """
        arrow = _pyarrow()
        sink = arrow.BufferOutputStream()
        _write_stream(arrow, sink, _as_arrow(arrow, table))
        _kren.write_stream(self, sink.getvalue(), timeout, tag, key)


class TableReader(ArrayReader):
    """What a Reader, a Subscriber, an Inbox and a Worker can do with tables."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def name(self) -> str: ...

    def read_table(self, timeout: float | None = None, *, check: bool = True) -> "pyarrow.Table":
        """Return the next message as a pyarrow Table whose columns lie in the ring.

        timeout: as for read().
        check: whether every offset and every text is checked before anything uses it, which takes a
            look at each; without it, bytes of a writer that is not to be trusted can crash the
            process.

        The writer gets the bytes back when the table, and everything that was made of it without a
        copy, is gone. polars.from_arrow(table) and table.to_pandas() lead on. Needs pyarrow.

        Raises what read() does; NotAnArray for a message that is something else, which stays the
        next one, and for a damaged table, which is taken out.
        """
        arrow = _pyarrow()
        return _as_table(arrow, _kren.borrow_table(self, timeout), self.name, check)

    async def aread_table(
        self, timeout: float | None = None, *, check: bool = True
    ) -> "pyarrow.Table":
        """Return the next message as a pyarrow Table; as read_table(), for asyncio."""
        arrow = _pyarrow()
        attempt = partial(_kren.try_borrow_table, self)
        limit = _kren.check_timeout(timeout)
        stream = await self._line.take(attempt, self._arm, limit, "message")
        return _as_table(arrow, stream, self.name, check)


def _pyarrow() -> Any:
    arrow = find("pyarrow")
    if arrow is None:
        raise ImportError("tables need the package pyarrow: pip install pyarrow")
    if not hasattr(arrow, "ipc"):
        find("pyarrow.ipc")
    return arrow


def _write_stream(arrow: Any, sink: Any, table: Any) -> None:
    with arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write(table)


def _as_arrow(arrow: Any, table: Any) -> Any:
    if isinstance(table, (arrow.Table, arrow.RecordBatch)):
        return table
    kind = f"{type(table).__module__.partition('.')[0]}.{type(table).__name__}"
    if kind == "polars.DataFrame":
        # With texts as every Arrow library knows them, not polars' own.
        polars = find("polars")
        return table.to_arrow(compat_level=polars.CompatLevel.oldest())
    if kind == "pandas.DataFrame":
        return arrow.Table.from_pandas(table)
    if hasattr(table, "__arrow_c_stream__"):
        return arrow.table(table)
    raise TypeError(
        "a table is needed (pyarrow Table or RecordBatch, polars or pandas DataFrame), not "
        f"{kind}; write_array() takes arrays"
    )


def _as_table(arrow: Any, stream: _kren.Array, channel: str, check: bool) -> Any:
    try:
        table = arrow.ipc.open_stream(arrow.py_buffer(stream)).read_all()
        table.validate(full=check)
    except (arrow.ArrowException, OSError, ValueError) as error:
        # ValueError: names of columns that are no UTF-8.
        raise NotAnArray(
            f"a message of channel '{channel}' cannot be read as a table: its Arrow stream is not "
            f"sound ({error})",
            channel,
        ) from error
    return table
