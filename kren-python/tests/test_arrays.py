"""Arrays in messages: docs/spec/payloads.md with its golden files, and what users do with them."""

import array as arrays_of_python
import asyncio
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kren
import ml_dtypes
import numpy
import pytest
from kren import _kren, _numpy

CAPACITY = 1 << 20
GOLDEN = Path(__file__).parents[2] / "docs" / "spec" / "payloads"
CASES: list[dict[str, Any]] = json.loads((GOLDEN / "cases.json").read_text("utf-8"))


def cases(*kinds: str) -> list[Any]:
    return [pytest.param(case, id=case["file"]) for case in CASES if case["kind"] in kinds]


def golden_array(part: dict[str, Any]) -> Any:
    dtype = _numpy.numpy().dtype(part["dtype"])
    count = int(numpy.prod(part["shape"], dtype=int)) * dtype.itemsize
    numbers = numpy.arange(count)
    data = numbers % 2 if part["dtype"] == "bool" else 7 * numbers + 3
    return data.astype(numpy.uint8).view(dtype).reshape(part["shape"])


def view_of(array: Any) -> memoryview:
    """What numpy's stubs allow only from Python 3.12 on."""
    return memoryview(array)


def same(left: Any, right: Any) -> bool:
    """Equal to the bit, also where that is no number."""
    return (left.dtype, left.shape) == (
        right.dtype,
        right.shape,
    ) and left.tobytes() == right.tobytes()


@pytest.mark.parametrize("case", cases("array"))
def test_golden_arrays_are_read_and_written(channel: str, case: dict[str, Any]) -> None:
    golden = (GOLDEN / case["file"]).read_bytes()
    expected = golden_array(case)
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        writer.write(golden)
        assert same(reader.read_array(), expected)
        writer.write_array(expected)
        assert reader.read() == golden
        # What the ring held before must not be seen.
        with writer.reserve(4096) as dirt:
            dirt[:] = b"\xee" * 4096
            dirt.abort()
        with writer.reserve_array(expected.shape, expected.dtype) as room:
            room[...] = expected
        assert reader.read() == golden


@pytest.mark.parametrize("case", cases("arrays"))
def test_golden_messages_of_several_are_read_and_written(
    channel: str, case: dict[str, Any]
) -> None:
    golden = (GOLDEN / case["file"]).read_bytes()
    expected = {part["name"]: golden_array(part) for part in case["parts"]}
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        writer.write(golden)
        received = reader.read_arrays()
        assert list(received) == list(expected)
        assert all(same(received[name], array) for name, array in expected.items())
        del received
        assert reader.held == 0
        writer.write_arrays(expected)
        assert reader.read() == golden


@pytest.mark.parametrize("case", cases("bad"))
def test_bad_golden_files_are_refused_and_stay(channel: str, case: dict[str, Any]) -> None:
    """G7: hostile bytes are an error that names the channel, and the message stays."""
    bad = (GOLDEN / case["file"]).read_bytes()
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write(bad)
        for read in (
            reader.read_array,
            reader.borrow_array,
            reader.read_arrays,
            reader.read_table,
        ):
            with pytest.raises(kren.NotAnArray) as refused:
                read()
            assert refused.value.channel == channel
        assert reader.read() == bad


def test_an_array_is_the_ring_and_is_kept_until_it_is_collected(channel: str) -> None:
    """G2: as every lease, and any number at a time."""
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        for number in range(3):
            writer.write_array(numpy.full((5, 7), number, "float32"), tag=number)
        first, second, third = (reader.read_array() for _ in range(3))
        assert not first.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            first[0, 0] = 1
        assert first.ctypes.data % 64 == 0
        assert second.ctypes.data - first.ctypes.data == 256
        whole = reader.held
        part = first[2:, ::2].T
        del first
        gc.collect()
        assert reader.held == whole
        assert (part == 0).all()
        del part
        assert reader.held < whole
        # The rest outlives both ends, and the channel.
        reader.close()
        writer.close()
        assert (second == 1).all()
        assert (third == 2).all()
    del second, third


def test_a_copy_is_ones_own(channel: str) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        writer.write_array(numpy.arange(4))
        own = reader.read_array(copy=True)
        assert (reader.held, own.flags.writeable) == (0, True)
        writer.write_arrays(a=numpy.arange(4))
        assert reader.read_arrays(copy=True)["a"].flags.owndata
        assert reader.held == 0


def test_what_is_no_numpy_array_is_written_too(channel: str) -> None:
    class Producer:
        """Knows DLPack from before there were versions, and nothing else."""

        def __init__(self, array: Any) -> None:
            self.array = array

        def __dlpack__(self) -> Any:
            return self.array.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    cube = numpy.arange(24, dtype="int16").reshape(2, 3, 4)
    plain = [
        (cube, cube),
        (view_of(cube), cube),
        (view_of(cube)[::-1], cube[::-1]),
        (b"bytes", numpy.frombuffer(b"bytes", "uint8")),
        (arrays_of_python.array("d", [1, 2]), numpy.array([1.0, 2.0])),
        (numpy.float32(3), numpy.array(3, "float32")),
        (Producer(cube), cube),
        (Producer(cube.T), cube.T),
        (Producer(numpy.zeros((0, 3), "uint8")), numpy.zeros((0, 3), "uint8")),
        (cube.T, cube.T),
        (numpy.asfortranarray(cube), cube),
        (cube.astype(ml_dtypes.bfloat16)[:, ::-1], cube.astype(ml_dtypes.bfloat16)[:, ::-1]),
    ]
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        for given, expected in plain:
            writer.write_array(given, tag=3)
            received = reader.borrow_array()
            assert received.tag == 3
            assert same(
                _numpy.show(received), numpy.ascontiguousarray(expected).reshape(expected.shape)
            )
        del received
        writer.write_arrays(
            {"an odd name": cube[..., ::2]}, view=view_of(cube), other=Producer(cube)
        )
        several = reader.read_arrays()
        assert same(several["an odd name"], numpy.ascontiguousarray(cube[..., ::2]))
        assert same(several["view"], cube)
        assert same(several["other"], cube)


REFUSED = [
    (numpy.zeros(2, ">f4"), TypeError, "big-endian.*astype"),
    (numpy.array([1, None]), TypeError, "objects.*write_table"),
    (numpy.array(["text"]), TypeError, "write_table"),
    (numpy.zeros(2, "datetime64[s]"), TypeError, "view"),
    (numpy.zeros(2, [("a", "i4")]), TypeError, "fields"),
    (numpy.zeros(2, "longdouble"), TypeError, "float64"),
    (numpy.zeros(2, ml_dtypes.int4), TypeError, "int4"),
    (numpy.ma.masked_array([1, 2], [True, False]), TypeError, "masked"),
    (numpy.zeros((1,) * 14, "u1"), ValueError, "13 dimensions"),
    ([1.0, 2.0], TypeError, r"not list.*numpy\.asarray"),
    ("text", TypeError, "not str"),
    (None, TypeError, "not NoneType"),
]


@pytest.mark.parametrize(("given", "error", "hint"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_cannot_be_sent_is_refused_with_a_hint(
    channel: str, given: Any, error: type[Exception], hint: str
) -> None:
    with kren.Writer(channel, CAPACITY) as writer, kren.Reader(channel) as reader:
        with pytest.raises(error, match=hint):
            writer.write_array(given)
        with pytest.raises(error, match=hint):
            writer.write_arrays(given=given)
        with pytest.raises(error, match=hint):
            asyncio.run(writer.awrite_array(given))
        assert reader.try_read() is None


def test_mistakes_write_nothing(channel: str) -> None:
    square = numpy.arange(9).reshape(3, 3)
    with kren.Writer(channel, 4096) as writer, kren.Reader(channel) as reader:
        with pytest.raises(ValueError, match="not in C order"):
            writer.write_array(square.T, copy=False)
        with pytest.raises(kren.TooLarge):
            writer.write_array(numpy.zeros(4096, "u1"))
        with pytest.raises(kren.TooLarge):
            writer.write_array(numpy.zeros((2, 4096), "u1").T)
        with pytest.raises(kren.TooLarge):
            writer.reserve_array((4096,), "uint8")
        with pytest.raises(kren.TooLarge):
            asyncio.run(writer.awrite_array(numpy.zeros(4096, "u1")))
        with pytest.raises((TypeError, ValueError, OverflowError)):
            writer.reserve_array((-1,), "uint8")
        with pytest.raises(kren.InvalidOption, match="too large"):
            writer.reserve_array((2**40, 2**40, 0), "uint8")
        with pytest.raises(TypeError, match="objects"):
            writer.reserve_array(3, object)
        with pytest.raises(kren.InvalidOption, match="1 to 48 bytes"):
            writer.write_arrays({"": square})
        with pytest.raises(kren.InvalidOption, match="two arrays have the same name"):
            writer.write_arrays({"a": square}, a=square)
        assert reader.try_read() is None
        writer.write_array(numpy.zeros(3000, "u1"))
        with pytest.raises(kren.TimedOut):
            writer.write_array(numpy.zeros(3000, "u1"), timeout=0)
        with pytest.raises(kren.TimedOut):
            writer.write_arrays(a=numpy.zeros(3000, "u1"), timeout=0)
        with pytest.raises(kren.TimedOut):
            asyncio.run(writer.awrite_array(numpy.zeros(3000, "u1"), 0.001))
        assert len(reader.read_array()) == 3000


def test_an_array_is_built_in_the_ring(channel: str) -> None:
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        with writer.reserve_array((3, 4), numpy.float32, tag=5) as room:
            assert (room.shape, room.dtype, room.flags.writeable) == ((3, 4), "float32", True)
            room[:] = 1
            with pytest.raises(kren.Busy):
                writer.write(b"")
            assert reader.try_read() is None
        # What it was is the reader's now.
        with pytest.raises(ValueError, match="read-only"):
            room[:] = 2
        received = reader.borrow_array()
        assert received.tag == 5
        assert (numpy.asarray(received) == 1).all()
        with pytest.raises(ZeroDivisionError), writer.reserve_array(3, "int8"):
            raise ZeroDivisionError
        slot = writer.reserve_array((2,), ml_dtypes.bfloat16)
        slot.array[:] = 1
        slot.abort()
        assert reader.try_read() is None
        assert not slot.array.flags.writeable
        with pytest.raises(ValueError, match="aborted"):
            slot.commit()


def test_a_received_array_is_a_read_only_dlpack_tensor(channel: str) -> None:
    """In place, and the message stays as long as the tensor."""
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        expected = numpy.arange(6, dtype="float64").reshape(2, 3)
        makes: list[Any] = [reader.borrow_array, reader.read_array]
        for make in makes:
            writer.write_array(expected)
            tensor = numpy.from_dlpack(make())
            gc.collect()
            assert reader.held > 0
            assert same(tensor, expected)
            assert not tensor.flags.writeable
            del tensor
            assert reader.held == 0
        writer.write_array(expected)
        array: Any = reader.borrow_array()
        assert array.__dlpack_device__() == (1, 0)
        # A capsule that nobody takes gives back what it holds.
        capsule = array.__dlpack__(max_version=(1, 0))
        del capsule
        with pytest.raises(BufferError, match="read-only"):
            array.__dlpack__()
        with pytest.raises(BufferError, match="processor"):
            array.__dlpack__(max_version=(1, 0), dl_device=(2, 0))
        own = numpy.from_dlpack(array, copy=True)
        del array
        assert (reader.held, own.flags.writeable) == (0, True)
        assert same(own, expected)


def test_jax_reads_and_is_written_in_place(channel: str) -> None:
    jax = pytest.importorskip("jax")
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        for dtype in ("float32", "bfloat16", "int8"):
            given = jax.numpy.arange(16, dtype=dtype)
            writer.write_array(given)
            received = reader.borrow_array()
            place = memoryview(received)
            tensor = jax.dlpack.from_dlpack(received.unflagged())
            assert tensor.unsafe_buffer_pointer() == numpy.asarray(place).ctypes.data
            assert (tensor == given).all()
            del place, received
            assert reader.held > 0
            del tensor
            gc.collect()
            assert reader.held == 0


def test_torch_reads_and_is_written_in_place(channel: str) -> None:
    torch = pytest.importorskip("torch")
    with kren.Writer(channel, CAPACITY, alignment=64) as writer, kren.Reader(channel) as reader:
        for dtype in (torch.float32, torch.bfloat16, torch.float8_e4m3fn):
            given = torch.arange(16).to(dtype)
            writer.write_array(given)
            received = reader.borrow_array()
            tensor = torch.from_dlpack(received)
            assert tensor.data_ptr() == numpy.asarray(memoryview(received)).ctypes.data
            assert torch.equal(tensor.float(), given.float())
            del received
            assert reader.held > 0
            del tensor
            assert reader.held == 0


def test_arrays_are_iterated_over_until_the_writer_closes(channel: str) -> None:
    writer, reader = kren.Writer(channel, CAPACITY), kren.Reader(channel)
    for number in range(5):
        writer.write_array(numpy.full(3, number))
    with kren.Writer(channel + "-2", CAPACITY) as other, kren.Reader(channel + "-2") as third:
        for number in range(5):
            other.write_array(numpy.full(3, number))
        other.close()

        async def collect() -> list[int]:
            return [int(array[0]) async for array in third.arrays()]

        assert asyncio.run(collect()) == list(range(5))
    writer.close()
    assert [int(array[0]) for array in reader.arrays()] == list(range(5))
    reader.close()
    with pytest.raises(kren.EndpointClosed):
        next(iter(reader.arrays()))


def test_awaiting_arrays(channel: str) -> None:
    async def talk() -> None:
        with kren.Writer(channel, 8192) as writer, kren.Reader(channel) as reader:
            waiting = asyncio.create_task(reader.aread_array())
            await asyncio.sleep(0)
            await writer.awrite_array(numpy.arange(3), tag=1)
            assert (await waiting == numpy.arange(3)).all()
            del waiting
            several = asyncio.create_task(reader.aread_arrays())
            await asyncio.sleep(0)
            writer.write_arrays(a=numpy.arange(3))
            assert list((await several)["a"]) == [0, 1, 2]
            del several
            # Room that is waited for.
            await writer.awrite_array(numpy.zeros(700))
            late = asyncio.create_task(writer.awrite_array(numpy.ones(700)))
            await asyncio.sleep(0)
            assert not late.done()
            assert (await reader.aread_array(copy=True)).sum() == 0
            await late
            assert (await reader.aread_array(copy=True)).sum() == 700
            with pytest.raises(kren.TimedOut):
                await reader.aread_array(0.001)

    asyncio.run(talk())


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import kren
with kren.Writer(sys.argv[1], 1 << 16) as writer, kren.Reader(sys.argv[1]) as reader:
    import array
    writer.write_array(array.array("f", [1, 2, 3, 4, 5, 6]))
    view = reader.read_array()
    assert (view.format, view.shape, view.tolist()) == ("f", (6,), [1, 2, 3, 4, 5, 6])
    own = memoryview(view).cast("B").cast("f", (2, 3))
    writer.write_array(own)
    del own, view
    view = reader.read_array(copy=True)
    assert (view.shape, view.tolist()) == ((2, 3), [[1, 2, 3], [4, 5, 6]])
    assert reader.held == 0
    with writer.reserve_array((2, 2), "int16") as room:
        room[1, 1] = -5
    try:
        room[0, 0] = 1
    except ValueError:
        pass
    else:
        raise AssertionError("stored into a committed message")
    assert reader.read_array()[1, 1] == -5
    writer.write_arrays(a=b"abc", b=array.array("d", [0.5]))
    several = reader.read_arrays()
    assert (bytes(several["a"]), several["b"][0]) == (b"abc", 0.5)
    del several
    with writer.reserve_array((2,), "bfloat16") as room:
        room[0] = 0x3F80
    held = reader.borrow_array()
    assert (held.dtype, memoryview(held).tolist()[0]) == ("bfloat16", 0x3F80)
    print("fine")
"""


def test_numpy_is_optional(channel: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY, channel], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_importing_kren_imports_none_of_them() -> None:
    code = "import sys, kren; print(sorted({'numpy', 'pyarrow', 'ml_dtypes'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_formats_and_types_are_those_of_the_core() -> None:
    listed = {case["dtype"] for case in CASES if case["kind"] == "array"}
    assert listed == set(_numpy.NATIVE) | set(_numpy.EXTRA)
    assert isinstance(_kren.Array.__doc__, str)
