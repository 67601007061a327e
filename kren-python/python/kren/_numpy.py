"""What arrays have to do with numpy, which is looked for at the first one, and never required."""

import importlib
from typing import TYPE_CHECKING, Any

from kren import _kren

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

NATIVE = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
"""Types that numpy itself has, by the names that all languages use."""

EXTRA = [
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]
"""Types that the package ml_dtypes adds to it."""

_known = {*NATIVE, *EXTRA}


class Numpy:
    """numpy, found or not."""

    def __init__(self) -> None:
        self.module: Any = find("numpy")
        self.dtypes: dict[str, Any] = {}
        self.ndarray: Any = None
        if self.module is not None:
            self.ndarray = self.module.ndarray
            self.dtypes = {name: self.module.dtype(name) for name in NATIVE}
            _kren.adopt_numpy(self.ndarray, self.dtypes)

    def dtype(self, name: str) -> Any:
        """The dtype of that name; None where numpy does not have it."""
        dtype = self.dtypes.get(name)
        if dtype is None and name in EXTRA and self.module is not None:
            extra = find("ml_dtypes")
            if extra is not None and hasattr(extra, name):
                dtype = self.dtypes[name] = self.module.dtype(getattr(extra, name))
        return dtype


def find(module: str) -> Any:
    """The module, or None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


_found: Numpy | None = None


def numpy() -> Numpy:
    """numpy, looked for once."""
    global _found  # noqa: PLW0603 - a cache
    if _found is None:
        _found = Numpy()
    return _found


def show(array: _kren.Array | _kren.Room) -> Any:
    """What users get of an array in the ring: numpy's, or a memoryview."""
    known = _found or numpy()
    name = array.dtype
    dtype = known.dtypes.get(name) or known.dtype(name)
    if dtype is None:
        return memoryview(array)
    # It keeps the object, and so its memory, and with it everything that is made of it without a
    # copy.
    return known.ndarray(array.shape, dtype, array)


def copy(array: Any) -> Any:
    """As `show`, of what may be shown already, but a copy: the message goes back to the writer at
    once."""
    shown = show(array) if type(array) is _kren.Array else array
    if not isinstance(shown, memoryview):
        return shown.copy()
    own = memoryview(bytearray(shown))
    # What is empty cannot be cast, and needs no shape to be so.
    if not shown.nbytes or not shown.shape:
        return own
    return own.cast("B").cast(shown.format, shown.shape)  # type: ignore[call-overload]


_names: dict[Any, str] = {}
"""Types that were sent before: numpy takes microseconds to say the name of one."""


def name_of(dtype: Any) -> str:
    """The name under which arrays of that dtype are sent; TypeError with a hint where they are
    not."""
    known = _names.get(dtype)
    if known is not None:
        return known
    if dtype.byteorder in ">" and dtype.isnative is False:
        raise TypeError(
            f"big-endian elements ({dtype.str}) are not sent; convert them first, with "
            "array.astype(array.dtype.newbyteorder('='))"
        )
    name: str = dtype.name
    if name in _known:
        _names[dtype] = name
        return name
    raise TypeError(f"arrays of {name} are not sent; {_hint(dtype)}")


def _hint(dtype: Any) -> str:
    hints = {
        "O": "Python objects have no bytes of their own: send columns with write_table(), or a "
        "pickle with write()",
        "M": "send array.view('int64')",
        "m": "send array.view('int64')",
        "U": "send texts as a table, with write_table()",
        "S": "send texts as a table, with write_table(), or array.view('uint8')",
        "T": "send texts as a table, with write_table()",
        "f": "their size differs between machines: array.astype('float64')",
        "c": "their size differs between machines: array.astype('complex128')",
    }
    if dtype.fields:
        return "send its fields as arrays of their own, with write_arrays(), or a table"
    return hints.get(dtype.kind, "convert it with array.astype() first")


def dtype_name(dtype: "DTypeLike") -> str:
    """The name of a dtype given by name, as a type, or in any other way that numpy takes."""
    if isinstance(dtype, str) and dtype in _known:
        return dtype
    module = numpy().module
    if module is None:
        raise TypeError(f"without numpy a dtype is given by its name, as 'float32', not {dtype!r}")
    return name_of(module.dtype(dtype))


def contiguous(array: "NDArray[Any]", may_copy: bool) -> "NDArray[Any]":
    """The array in C order."""
    if array.flags.c_contiguous:
        return array
    if not may_copy:
        raise ValueError(
            "the array is not in C order (it is strided, or in Fortran's order), and copy=False "
            "forbids to rearrange it; leave that out, or pass numpy.ascontiguousarray(array)"
        )
    known = numpy().module
    return known.ascontiguousarray(array)  # type: ignore[no-any-return]


def bits(array: "NDArray[Any]", name: str) -> Any:
    """A buffer of the array's bytes; numpy gives none of types that it does not have itself."""
    return array if name in NATIVE else array.view(f"uint{8 * array.dtype.itemsize}")


def refuse_masked(array: Any) -> None:
    """Raise TypeError for a masked array."""
    if hasattr(array, "mask") and hasattr(array, "filled"):
        raise TypeError(
            "a masked array is not sent, since its mask would be lost; send array.filled(), or "
            "data and mask with write_arrays()"
        )
