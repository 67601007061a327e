"""What users say of a channel's messages, in the form that all languages share."""

from collections.abc import Iterable
from typing import Any

from kren._numpy import dtype_name


def describe(schema: Any) -> tuple[str, str]:
    """The (name, text) of a schema: docs/spec/payloads.md, Schemas."""
    if isinstance(schema, str):
        return "text", schema
    if isinstance(schema, tuple) and len(schema) == 2:
        dtype, shape = schema
        dims = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        shown = ", ".join("*" if dim is None else str(int(dim)) for dim in dims)
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
