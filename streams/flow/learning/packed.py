"""The frame of a record of columns: the length of a JSON object (uint32), the object, then the columns.

All little-endian. The object is filled up with spaces, so that the columns begin at a multiple of 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

Column = npt.NDArray[Any]


def pack(head: Mapping[str, Any], columns: Iterable[tuple[str, Column]]) -> bytes:
    """A record's value. columns: each with the kind as which it is written."""
    text = orjson.dumps(head)
    text += b" " * (-(len(text) + 4) % 8)
    packed = [column.astype(kind, copy=False).tobytes() for kind, column in columns]
    return b"".join((len(text).to_bytes(4, "little"), text, *packed))


def unpack_head(value: bytes) -> tuple[dict[str, Any], int]:
    """The object, and where the columns begin. Raises ValueError where there is none."""
    begin = 4 + int.from_bytes(value[:4], "little")
    return orjson.loads(value[4:begin]), begin


def unpack(value: bytes, at: int, layout: Sequence[tuple[str, int]]) -> list[Column]:
    """The columns, which begin there. layout: kind and length of each. Raises ValueError where it does not fit."""
    columns = list[Column]()
    for kind, count in layout:
        columns.append(np.frombuffer(value, kind, count, at))
        at += columns[-1].nbytes
    if at != len(value):
        raise ValueError(f"{len(value)} bytes, not {at}")
    return columns
