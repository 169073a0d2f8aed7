"""Vectors as JSON, with one call for all users where a call for each would cost more than all else of a record."""

from __future__ import annotations

from binascii import b2a_base64

import numpy as np
import orjson

from streams.interest.base import Floats

FLOAT_BYTES = 4


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


def in_arrays(vectors: Floats) -> tuple[bytes, list[bytes]]:
    """The same as JSON numbers."""
    if vectors.shape[1] == 1:
        return b'"vector":%b', [orjson.dumps(row) for row in vectors[:, 0].tolist()]
    return b'"vectors":%b', [orjson.dumps(rows) for rows in vectors.tolist()]


def _base64_rows(vectors: Floats) -> tuple[bytes, list[bytes]]:
    """(n, dim) in base64 up to the padding, which is the same for each: the padding, and the rows.

    Three bytes are four characters. With rows of a multiple of three bytes those of all can be cut from one text.
    """
    count, size = len(vectors), FLOAT_BYTES * vectors.shape[1]
    missing = -size % 3
    padded = np.zeros((count, size + missing), dtype=np.uint8)
    padded[:, :size] = np.ascontiguousarray(vectors, dtype="<f4").view(np.uint8).reshape(count, size)
    text, width = b2a_base64(padded.tobytes(), newline=False), (size + missing) // 3 * 4
    # A byte that is missing is one character of padding.
    return b"=" * missing, [text[at : at + width - missing] for at in range(0, count * width, width)]
