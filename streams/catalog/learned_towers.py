"""What was learned of an item's two-tower vectors, as the record that brings it to every worker.

The key is TOWERS_KEY and the item id. A value is, little-endian, the 40 bytes of `learned.LEARNED_DTYPE`, with the
space of the vectors for the layout; the uses of the item that were learned from (int64); of each of PARTS vectors the
growth of AdaGrad's sum (float32), and the sum of its changes (DIM float16).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streams.catalog.learned import ORDER
from streams.items.signals import Longs
from streams.items.towers import DIM, PARTS, TowerChanges

VERSION = 1
# The id of an item holds no control character, so no item can have a key that begins so.
TOWERS_KEY = b"\x00towers:"
LEARNED_TOWERS_DTYPE = np.dtype(
    [
        ("version", "<u4"),
        ("space", "<u4"),
        *((name, "<i8") for name in ORDER),
        ("_pad", "<i8"),
        ("uses", "<i8"),
        ("squares", "<f4", (PARTS,)),
        ("sums", "<f2", (PARTS, DIM)),
    ]
)
HIGHEST = float(np.finfo(np.float16).max)


def learned_towers(
    keys: Sequence[bytes], states: Any, towers: Any, generation: int, space: int
) -> list[tuple[bytes, bytes]]:
    """Records of items (n,). states: (n,) structured rows with `epoch` and `offset`. towers: (n,) of TOWERS_DTYPE."""
    found = np.zeros(len(keys), dtype=LEARNED_TOWERS_DTYPE)
    found["version"], found["space"], found["generation"] = VERSION, space, generation
    found["epoch"], found["offset"] = states["epoch"], states["offset"]
    found["uses"], found["squares"] = towers["uses"], towers["squares"]
    found["sums"] = np.clip(towers["sums"], -HIGHEST, HIGHEST)
    bodies = found.view(f"V{LEARNED_TOWERS_DTYPE.itemsize}").tolist()
    return [(TOWERS_KEY + key, body) for key, body in zip(keys, bodies, strict=True)]


def read_learned_towers(values: Sequence[bytes | None]) -> tuple[Any, Longs]:
    """(m,) rows of LEARNED_TOWERS_DTYPE of those of the values that are of this format, all numbers finite, and which
    these are."""
    size = LEARNED_TOWERS_DTYPE.itemsize
    chosen = [at for at, value in enumerate(values) if value is not None and len(value) == size]
    found = np.frombuffer(b"".join(values[at] or b"" for at in chosen), dtype=LEARNED_TOWERS_DTYPE)
    good = (found["version"] == VERSION) & TowerChanges(found["uses"], found["squares"], found["sums"]).sound
    return found[good], np.array(chosen, dtype=np.int64)[good]
