"""Arrays in messages: written with one copy, built in the ring, and read where they lie."""

from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

from kren import _kren, _numpy
from kren._aio import Line
from kren._errors import Closed, EndpointClosed, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray


class ArrayWriter:
    """What a Writer can do with arrays."""

    __slots__ = ()

    if TYPE_CHECKING:
        _line: Line

        def _arm(self, notifier: _kren.Notifier, length: int) -> None: ...

    def write_array(
        self, array: Any, timeout: float | None = None, *, tag: int = 0, copy: bool = True
    ) -> None:
        """Write one array, waiting for room while the ring is full; its elements are copied once.

        array: a numpy array, or anything else with __dlpack__ (torch, jax, cupy's on the CPU) or
            with a buffer that has a shape and a format (memoryview, array.array, bytes).
        timeout, tag: as for write().
        copy: whether elements that are not in C order may be rearranged as they are copied; with
            False such an array raises ValueError.

        Create the channel with alignment=64, and what arrives is aligned for vector instructions.

        Raises what write() does; TypeError, with a hint, for elements that are not sent
        (big-endian, objects, texts...); BufferError for an array in a device's memory. In all these
        cases nothing was written.
        """
        if _kren.write_array(self, array, timeout, tag) or _write_buffer(self, array, timeout, tag):
            return
        part = _part(array, copy)
        if isinstance(part, tuple):
            name, dims, data = part
            _kren.write_described(self, name, dims, data, timeout, tag)
            return
        # A numpy array in some other order: rearranged on its way into the ring.
        with self.reserve_array(part.shape, part.dtype, timeout, tag=tag) as room:
            _numpy.numpy().module.copyto(room, part)

    async def awrite_array(
        self, array: Any, timeout: float | None = None, *, tag: int = 0, copy: bool = True
    ) -> None:
        """Write one array; as write_array(), for asyncio: it awaits room, and never blocks the
        loop.

        The array must stay as it is until this returns. Cancelled, it has written nothing.
        """
        part = _contiguous_part(array, copy)
        length = _length(part)

        def arm(notifier: _kren.Notifier) -> None:
            self._arm(notifier, length)

        attempt = _attempt(self, part, tag)
        await self._line.take(attempt, arm, _kren.check_timeout(timeout), "room")

    def reserve_array(
        self,
        shape: "SupportsIndex | Iterable[SupportsIndex]",
        dtype: "DTypeLike",
        timeout: float | None = None,
        *,
        tag: int = 0,
    ) -> "ArraySlot":
        """Reserve room for an array and return it as an ArraySlot, to build the array in the ring.

        shape: a number, or some of them, outermost first.
        dtype: as for numpy, or a name, as 'float32'.
        timeout, tag: as for write().

        Use it as `with writer.reserve_array((480, 640), "uint8") as image:`. The array is committed
        at the end of the block, or aborted by an exception. It is the ring itself: from then on it
        is read-only, and views that were made of it must not be stored into any more. Without numpy
        it is a memoryview, which the end of the block releases. Raises what write() does.
        """
        # The two that are quick to tell first.
        if isinstance(shape, (tuple, int)) or not isinstance(shape, Iterable):
            dims = shape if isinstance(shape, tuple) else (shape,)
        else:
            dims = tuple(shape)
        name = _numpy.dtype_name(dtype)
        return ArraySlot(*_kren.reserve_array(self, name, dims, timeout, tag))

    def write_arrays(
        self,
        arrays: Mapping[str, Any] | None = None,
        /,
        *,
        timeout: float | None = None,
        tag: int = 0,
        **named: Any,
    ) -> None:
        """Write several named arrays as one message: write_arrays(image=image, boxes=boxes).

        arrays: the same as a mapping, for names that are no Python names; up to 1024 in all.
        timeout, tag: as for write().

        Takes and raises what write_array() does; arrays that are not in C order are copied first.
        """
        _kren.write_arrays(self, _parts(arrays, named), timeout, tag)


class ArrayDealer:
    """What a Dealer can do with arrays."""

    __slots__ = ()

    if TYPE_CHECKING:
        _line: Line

        def _arm(self, notifier: _kren.Notifier) -> None: ...

    def write_array(
        self,
        array: Any,
        timeout: float | None = None,
        *,
        tag: int = 0,
        key: str | bytes | None = None,
        copy: bool = True,
    ) -> None:
        """Give one array to a worker, waiting for one to come, or to have room, if need be.

        array, copy: as for Writer.write_array(); one in another order is copied twice.
        timeout, tag, key: as for write().

        Raises what write() does, and what Writer.write_array() raises for what is not sent.
        """
        if _kren.write_array(self, array, timeout, tag, key):
            return
        if not _write_buffer(self, array, timeout, tag, key):
            name, dims, data = _contiguous_part(array, copy)
            _kren.write_described(self, name, dims, data, timeout, tag, key)

    async def awrite_array(
        self,
        array: Any,
        timeout: float | None = None,
        *,
        tag: int = 0,
        key: str | bytes | None = None,
        copy: bool = True,
    ) -> None:
        """Give one array to a worker; as write_array(), for asyncio: it never blocks the loop.

        The array must stay as it is until this returns. Cancelled, it has written nothing.
        """
        attempt = _attempt(self, _contiguous_part(array, copy), tag, key)
        limit = _kren.check_timeout(timeout)
        await self._line.take(attempt, self._arm, limit, "worker with room")

    def write_arrays(
        self,
        arrays: Mapping[str, Any] | None = None,
        /,
        *,
        timeout: float | None = None,
        tag: int = 0,
        key: str | bytes | None = None,
        **named: Any,
    ) -> None:
        """Give several named arrays to one worker, as one message.

        arrays, named: as for Writer.write_arrays().
        timeout, tag, key: as for write().

        Raises what write_array() does.
        """
        _kren.write_arrays(self, _parts(arrays, named), timeout, tag, key)


class ArrayReader:
    """What a Reader, a Subscriber, an Inbox and a Worker can do with arrays."""

    __slots__ = ()

    if TYPE_CHECKING:
        _line: Line

        def _arm(self, notifier: _kren.Notifier) -> float | None: ...

    def read_array(self, timeout: float | None = None, *, copy: bool = False) -> "NDArray[Any]":
        """Return the next message as a numpy array, read-only and where it lies in the ring.

        timeout: as for read().
        copy: True for an array of one's own, to be kept or changed.

        The writer gets the bytes back when the array, and everything that was made of it without a
        copy, is gone: `del array`, or the next turn of the loop; of a work queue, that says that
        its work is done. Any number may be held. It can be passed on in place:
        torch.from_dlpack(array), jax.dlpack.from_dlpack(array). Without numpy, and for bfloat16 and
        float8 without ml_dtypes, it is a memoryview with shape and format.

        Raises what read() does, and NotAnArray for a message that is something else, which stays
        the next one.
        """
        array: Any = _kren.read_array(self, timeout)
        if copy:
            return _numpy.copy(array)  # type: ignore[no-any-return]
        return _numpy.show(array) if type(array) is _kren.Array else array  # type: ignore[no-any-return]

    def borrow_array(self, timeout: float | None = None) -> _kren.Array:
        """Return the next message as a kren.Array: as read_array(), without numpy.

        It also says its `tag`, its `sender` if it comes from an inbox, and whether a work queue has
        `redelivered` it. For bfloat16 and float8 it is what torch.from_dlpack() and its like read
        in place, since numpy passes these on to nobody.
        """
        return _kren.borrow_array(self, timeout)

    def arrays(self, *, copy: bool = False) -> "Arrays":
        """Iterate over array after array, as read_array() gives them, until the writer has closed.

        `for array in reader.arrays()` and `async for array in reader.arrays()` work. With
        copy=False an array goes back to the writer when the next one has come.
        """
        return Arrays(self, copy)

    def read_arrays(
        self, timeout: float | None = None, *, copy: bool = False
    ) -> "dict[str, NDArray[Any]]":
        """Return the arrays of the next message by their names, each as read_array() would give it.

        The message goes back to the writer when all of them are gone.
        """
        return _named(_kren.borrow_arrays(self, timeout), copy)

    async def aread_array(
        self, timeout: float | None = None, *, copy: bool = False
    ) -> "NDArray[Any]":
        """Return the next message as an array; as read_array(), for asyncio."""
        attempt = partial(_kren.try_borrow_array, self)
        limit = _kren.check_timeout(timeout)
        array = await self._line.take(attempt, self._arm, limit, "message")
        return _numpy.copy(array) if copy else _numpy.show(array)  # type: ignore[no-any-return]

    async def aread_arrays(
        self, timeout: float | None = None, *, copy: bool = False
    ) -> "dict[str, NDArray[Any]]":
        """Return the arrays of the next message by their names; as read_arrays(), for asyncio."""
        attempt = partial(_kren.try_borrow_arrays, self)
        limit = _kren.check_timeout(timeout)
        return _named(await self._line.take(attempt, self._arm, limit, "message"), copy)


class Arrays:
    """Array after array of a reader, for `for` and for `async for`."""

    __slots__ = ("_copy", "_reader")

    def __init__(self, reader: ArrayReader, copy: bool) -> None:
        self._reader = reader
        self._copy = copy

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> "NDArray[Any]":
        try:
            return self._reader.read_array(copy=self._copy)
        except EndpointClosed:
            raise
        except Closed:
            raise StopIteration from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> "NDArray[Any]":
        try:
            return await self._reader.aread_array(copy=self._copy)
        except EndpointClosed:
            raise
        except Closed:
            raise StopAsyncIteration from None


class ArraySlot:
    """Room in the ring for an array that is built in place: what Writer.reserve_array() returns.

    In a `with` block it gives the array, and commits at the end, or aborts when an exception leaves
    the block. Until then the writer does nothing else: its other calls raise Busy. A slot that is
    collected was aborted.
    """

    __slots__ = ("_slot", "array")

    array: Any
    """The array to fill. Its first content is whatever the ring held before."""

    def __init__(self, slot: _kren.Slot, room: Any) -> None:
        self._slot = slot
        # It keeps the memory mapped, and does not stand in the way of the commit.
        self.array = _numpy.show(room) if type(room) is _kren.Room else room

    def commit(self) -> None:
        """Publish the array, which is read-only from here on."""
        self._end()
        self._slot.commit()

    def abort(self) -> None:
        """Give the room up: the reader never sees anything of it. Without effect after commit()."""
        self._end()
        self._slot.abort()

    def __enter__(self) -> Any:
        self._slot.__enter__()
        return self.array

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        self._slot.__exit__(kind, error, traceback)

    def _end(self) -> None:
        if isinstance(self.array, memoryview):
            self.array.release()
        else:
            self.array.setflags(False)


def _named(arrays: dict[str, _kren.Array], copy: bool) -> dict[str, Any]:
    form = _numpy.copy if copy else _numpy.show
    return {name: form(array) for name, array in arrays.items()}


def _write_buffer(
    end: object, array: Any, timeout: float | None, tag: int, key: str | bytes | None = None
) -> bool:
    # Looked for here: the next one may be an array that _kren.write_array() knows.
    _numpy.numpy()
    # A masked array's buffer would show what it hides.
    _numpy.refuse_masked(array)
    return _kren.write_buffer(end, array, timeout, tag, key)


def _attempt(
    end: object, part: "_Part", tag: int, key: str | bytes | None = None
) -> "Callable[[], bool | None]":
    """What writes the array if there is room now."""
    name, shape, data = part

    def attempt() -> bool | None:
        try:
            _kren.write_described(end, name, shape, data, 0, tag, key)
        except TimedOut:
            return None
        return True

    return attempt


def _length(part: "_Part") -> int:
    """Bytes of the message."""
    _, shape, data = part
    return memoryview(data).nbytes + (64 if len(shape) <= 5 else 128)


def _parts(arrays: Mapping[str, Any] | None, named: dict[str, Any]) -> "list[tuple[str, _Part]]":
    given = [*(arrays or {}).items(), *named.items()]
    return [(name, _contiguous_part(array, True)) for name, array in given]


def _part(array: Any, may_copy: bool) -> Any:
    """(dtype, shape, buffer of bytes); or the numpy array itself, where it is not in C order."""
    known = _numpy.numpy()
    if known.ndarray is not None and isinstance(array, (known.ndarray, known.module.generic)):
        array = known.module.asarray(array)
        name = _numpy.name_of(array.dtype)
        if not array.flags.c_contiguous:
            return array if may_copy else _numpy.contiguous(array, False)
        return name, array.shape, _numpy.bits(array, name)
    if hasattr(array, "__dlpack__"):
        try:
            tensor = _kren.Tensor(array)
        except BufferError:
            # In some other order, perhaps, which numpy can tell.
            if known.module is None or not may_copy:
                raise
            try:
                return known.module.from_dlpack(array)
            except (BufferError, RuntimeError, TypeError):
                pass
            raise
        return tensor.dtype, tensor.shape, tensor
    try:
        view = memoryview(array)
    except TypeError:
        raise TypeError(
            "an array is needed (numpy's, one with __dlpack__, or a buffer), not "
            f"{type(array).__name__}; numpy.asarray() makes one of many things, and write_table() "
            "takes data frames"
        ) from None
    if known.module is not None:
        return _part(known.module.asarray(view), may_copy)
    if view.itemsize == 1 or view.format[-1:] in "bBhHiIlLqQnNefd?":
        if not view.c_contiguous and not may_copy:
            raise ValueError("the buffer is not in C order, and copy=False forbids to rearrange it")
        kind = view.format.lstrip("@=<")
        if view.format[0] not in ">!" and kind in _KINDS:
            name = _KINDS[kind] + (str(8 * view.itemsize) if kind != "?" else "")
            return name, view.shape, view.tobytes()
    raise TypeError(f"buffers of the format {view.format!r} are not sent; convert it first")


def _contiguous_part(array: Any, may_copy: bool) -> "_Part":
    _numpy.refuse_masked(array)
    part = _part(array, may_copy)
    if not isinstance(part, tuple):
        part = _part(_numpy.contiguous(part, may_copy), may_copy)
    return part  # type: ignore[no-any-return]


_Part = tuple[str, tuple[int, ...], Any]
"""The name of the elements' type, the shape, and a buffer of the bytes."""

_KINDS = {
    **dict.fromkeys("bhilqn", "int"),
    **dict.fromkeys("BHILQN", "uint"),
    **dict.fromkeys("efd", "float"),
    "?": "bool",
}
