"""How a user's vectors are written, and read again: in the JSON of their record, or as bytes beside it.

What can be written with one call for all users of a batch is, for a call for each costs more than all else of a record.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from sinks.base import Header, TopicRecords
from streams.interest.base import Floats, Longs
from streams.kernels.templates import LONGEST_NUMBER, fill

# Formats whose records hold the vectors as their value, and the rest in headers: little-endian floats.
BINARY = {"f4le": "<f4", "f2le": "<f2"}
# The format, and the record without its vectors, in JSON.
FORMAT_HEADER, RECORD_HEADER = "x-vector", "x-interest"
FLOAT_BYTES, LENGTH_BYTES = 4, 4


def in_base64(vectors: Floats) -> tuple[bytes, list[bytes]]:
    """(U, n, dim) as little-endian float32: a template, and for each user what stands in it.

    Where n is 1 it is the field `vector`, else the field `vectors`.
    """
    users, number, dim = vectors.shape
    end, rows = _base64_rows(vectors.reshape(-1, dim))
    if number == 1:
        return b'"vector":"%b' + end + b'"', rows
    lists = [(end + b'","').join(rows[first : first + number]) for first in range(0, users * number, number)]
    return b'"vectors":["%b' + end + b'"]', lists


def records_in_base64(
    pieces: Sequence[bytes], names: Sequence[bytes], numbers: Longs, vectors: Floats
) -> list[bytes]:
    """Records of U users with one vector each, as their template gives them, in compiled code.

    pieces: what stands before the name, before each of k numbers, before the vector, and behind it. names: as they
    stand in JSON. numbers: (U, k). vectors: (U, dim).
    """
    rows = np.ascontiguousarray(vectors, dtype="<f4").view(np.uint8)
    end, text = b"=" * (-rows.shape[1] % 3), b"".join(names)
    fixed = [*pieces[:-1], end + pieces[-1]]
    piece_ends, name_ends = (np.cumsum([len(one) for one in some]) for some in (fixed, names))
    longest = piece_ends[-1] + LONGEST_NUMBER * numbers.shape[1] + 4 * (rows.shape[1] // 3 + 1)
    out, ends = np.empty(len(text) + len(names) * int(longest), np.uint8), np.empty(len(names), np.int64)
    buffers = np.frombuffer(b"".join(fixed), np.uint8), piece_ends, np.frombuffer(text, np.uint8), name_ends
    fill(*buffers, numbers, rows, out, ends)
    written, places = out[: int(ends[-1])].tobytes(), [0, *ends.tolist()]
    return [written[begin:end] for begin, end in pairwise(places)]


def in_arrays(vectors: Floats) -> tuple[bytes, list[bytes]]:
    """The same as JSON numbers."""
    if vectors.shape[1] == 1:
        return b'"vector":%b', [orjson.dumps(row) for row in vectors[:, 0].tolist()]
    return b'"vectors":%b', [orjson.dumps(rows) for rows in vectors.tolist()]


def with_bytes(form: str, records: Sequence[bytes], vectors: Floats) -> list[bytes]:
    """Each of U records (JSON) with its vectors (n, dim) as bytes, for `apart`."""
    rows = np.ascontiguousarray(vectors.reshape(len(records), -1), dtype=BINARY[form])
    values = rows.view(f"V{rows.dtype.itemsize * rows.shape[1]}").ravel().tolist()
    return [
        len(record).to_bytes(LENGTH_BYTES, "little") + record + value
        for record, value in zip(records, values, strict=True)
    ]


def apart(form: str, topic: str, records: Sequence[tuple[bytes, bytes]]) -> TopicRecords:
    """Records of a topic as they are published, of (key, what `with_bytes` gave)."""
    published: list[tuple[bytes, bytes]] = []
    headers: list[list[Header]] = []
    named = FORMAT_HEADER, form.encode()
    for key, both in records:
        end = LENGTH_BYTES + int.from_bytes(both[:LENGTH_BYTES], "little")
        published.append((key, both[end:]))
        headers.append([named, (RECORD_HEADER, both[LENGTH_BYTES:end])])
    return TopicRecords(topic, published, headers=headers)


def read_vectors(value: bytes, headers: Iterable[Header] | None = None) -> dict[str, Any]:
    """The fields of a vector record, whichever its format; `vectors` are (n, dim), float16 of `f2le`, else float32."""
    given = dict(headers or ())
    if (form := given.get(FORMAT_HEADER)) is not None:
        fields: dict[str, Any] = orjson.loads(given[RECORD_HEADER])
        fields["vectors"] = np.frombuffer(value, BINARY[form.decode()]).reshape(-1, fields["dim"])
        return fields
    fields = orjson.loads(value)
    several = fields["vectors"] if "vectors" in fields else [fields.pop("vector")]
    fields["vectors"] = np.stack([_read_row(one) for one in several])
    return fields


def _read_row(row: str | list[float]) -> Floats:
    if isinstance(row, str):
        return np.frombuffer(a2b_base64(row), dtype="<f4")
    return np.array(row, dtype=np.float32)


def _base64_rows(vectors: Floats) -> tuple[bytes, list[bytes]]:
    """(n, dim) in base64 up to the padding, which is the same for each: the padding, and the rows.

    Three bytes are four characters. With rows of a multiple of three bytes those of all can be cut from one text.
    """
    count, size = len(vectors), FLOAT_BYTES * vectors.shape[1]
    missing = -size % 3
    padded = np.zeros((count, size + missing), dtype=np.uint8)
    padded[:, :size] = np.ascontiguousarray(vectors, dtype="<f4").view(np.uint8).reshape(count, size)
    text, width = b2a_base64(padded.data, newline=False), (size + missing) // 3 * 4
    # A byte that is missing is one character of padding.
    return b"=" * missing, [text[at : at + width - missing] for at in range(0, count * width, width)]
