"""What was learned of an item, as the record that brings it to every worker.

The key is the item id. A value is, little-endian: the version of this format (uint32), the id of the layout of what
follows (uint32), the generation, the epoch and the offset (int64 each), 40 bytes with 8 of zeros behind; then one row
of `streams.items.layout.ITEM_DTYPE`. Of two records of an item the one with the higher (generation, epoch, offset)
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from streams.items.layout import ITEM_DTYPE
from streams.items.signals import Longs

VERSION = 1
LAYOUT_ID = crc32(repr(ITEM_DTYPE.descr).encode())
LEARNED_DTYPE = np.dtype(
    [
        ("version", "<u4"),
        ("layout", "<u4"),
        # Of two records of an item the one with the higher of these counts.
        ("generation", "<i8"),
        ("epoch", "<i8"),
        ("offset", "<i8"),
        ("_pad", "<i8"),
        ("item", ITEM_DTYPE),
    ]
)
ORDER = ("generation", "epoch", "offset")


def learned_records(keys: Sequence[bytes], states: Any, generation: int) -> list[tuple[bytes, bytes]]:
    """Records of items (n,). states: (n,) structured rows with `epoch`, `offset` and `item`."""
    found = np.zeros(len(keys), dtype=LEARNED_DTYPE)
    found["version"], found["layout"], found["generation"] = VERSION, LAYOUT_ID, generation
    for name in ("epoch", "offset", "item"):
        found[name] = states[name]
    bodies = found.view(f"V{LEARNED_DTYPE.itemsize}").tolist()
    return list(zip(keys, bodies, strict=True))


def read_learned(values: Sequence[bytes | None]) -> tuple[Any, Longs]:
    """(m,) structured rows of LEARNED_DTYPE of those of the values that are of this format, and which these are."""
    size = LEARNED_DTYPE.itemsize
    chosen = [at for at, value in enumerate(values) if value is not None and len(value) == size]
    found = np.frombuffer(b"".join(values[at] or b"" for at in chosen), dtype=LEARNED_DTYPE)
    good = (found["version"] == VERSION) & (found["layout"] == LAYOUT_ID)
    return found[good], np.array(chosen, dtype=np.int64)[good]
