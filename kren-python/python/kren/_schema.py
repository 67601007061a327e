"""What users say of a channel's messages, in the form that all languages share."""

from collections.abc import Iterable
from operator import index
from typing import Any

from kren._numpy import dtype_name


def describe(schema: Any) -> tuple[str, str]:
    """The (name, text) of a schema: docs/spec/payloads.md, Schemas."""
    if isinstance(schema, str):
        return "text", schema
    if isinstance(schema, tuple) and len(schema) == 2:
        dtype, shape = schema
        dims = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        shown = ", ".join(map(_dimension, dims))
        return "array", f"array {dtype_name(dtype)} [{shown}]"
    if type(schema).__module__.partition(".")[0] == "pyarrow" and hasattr(schema, "names"):
        lines = [
            f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in schema
        ]
        return "table", "\n".join(["table", *lines])
    raise TypeError(
        "a schema is a text, (dtype, shape) of arrays, or a pyarrow Schema, not "
        f"{type(schema).__name__}"
    )


def _dimension(dim: Any) -> str:
    if dim is None:
        return "*"
    if index(dim) < 0:
        raise ValueError(f"a dimension is 0 or more, or None for one of any size, not {dim}")
    return str(index(dim))
