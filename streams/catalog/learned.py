"""What was learned of an item, as the record that brings it to every worker.

The key is the item id. A value is, little-endian: the version of this format (uint32), the id of the layout of what
follows (uint32), the generation, the epoch and the offset (int64 each), 40 bytes with 8 of zeros behind; then one row
of `streams.items.layout.ITEM_DTYPE`. Of two records of an item the one with the higher (generation, epoch, offset)
counts.

One key is no item's: under RANKER_KEY stands what the workers' rankers have learned together, behind 40 bytes of the
same meaning, with 0 for the layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from streams.items.layout import ITEM_DTYPE, sound
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
# The id of an item holds no control character, so no item can have it.
RANKER_KEY = b"\x00ranker"
RANKER_HEAD = Struct("<IIqqqq")


class Order(NamedTuple):
    """Of two records of one key the one with the higher order counts."""

    generation: int
    epoch: int
    offset: int


class RankerError(ValueError):
    """A record under RANKER_KEY is none of this version."""


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
    good, at = (
        (found["version"] == VERSION) & (found["layout"] == LAYOUT_ID),
        np.array(chosen, dtype=np.int64),
    )
    good[good] = sound(found["item"][good] if not good.all() else found["item"])
    # Rows are long: they are copied only where some are left out.
    return (found, at) if good.all() else (found[good], at[good])


def ranker_record(saved: bytes, order: Order) -> tuple[bytes, bytes]:
    """The record of what rankers have learned together, as a recommender saves it."""
    return RANKER_KEY, RANKER_HEAD.pack(VERSION, 0, *order, 0) + saved


def read_ranker(value: bytes | None) -> tuple[Order, bytes]:
    """Its place among the records of this key, and what was saved. Raises RankerError."""
    if value is None or len(value) < RANKER_HEAD.size:
        raise RankerError("the record is empty or cut off")
    version, _, generation, epoch, offset, _ = RANKER_HEAD.unpack_from(value)
    if version != VERSION:
        raise RankerError(f"the record has version {version}, this worker reads {VERSION}")
    return Order(generation, epoch, offset), value[RANKER_HEAD.size :]
