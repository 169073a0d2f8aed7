"""The events of a batch whose item is not in the catalogue yet: those that are to wait for it, and those dropped.

What waits is bounded, in number and in bytes, for it is a part of each of its user's changelog records.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from streams.events.canonical import encode
from streams.state.users.duplicates import Mask
from streams.state.users.waiting import Waiting, waiting_bytes

if TYPE_CHECKING:
    from streams.flow.batch import Batch

UNKNOWN = -1


def set_aside_unknown(batch: Batch, outcomes: Counter[str]) -> tuple[Mask, list[tuple[int, Waiting]]]:
    """(n,) true for events of unknown items; and those of them that are to wait, within bounds."""
    aside: Mask = (batch.items == UNKNOWN) & (batch.base != 0)
    kept: list[tuple[int, Waiting]] = []
    kept_of: Counter[int] = Counter()
    bytes_of: Counter[int] = Counter()
    for index in np.flatnonzero(aside).tolist():
        row, event = int(batch.rows[index]), batch.events[index]
        offset, recorded = int(batch.offsets[index]), int(batch.recorded[index])
        key = int(batch.keys[index])
        waiting = Waiting(offset, event.item_id or "", recorded, encode(event), key)
        bytes_with = bytes_of[row] + waiting_bytes(waiting)
        if not _has_room(batch, row, len(kept), kept_of[row], bytes_with):
            outcomes["dropped"] += 1
            continue
        kept.append((row, waiting))
        kept_of[row], bytes_of[row] = kept_of[row] + 1, bytes_with
        outcomes["waiting"] += 1
    return aside, kept


def _has_room(batch: Batch, row: int, more: int, more_of_row: int, bytes_with: int) -> bool:
    """True where one more may wait beside `more`. One that had waited before keeps its place.

    bytes_with: of the row's new ones, with the one that asks.
    """
    waiting, options = batch.part.waiting, batch.flow.options
    return batch.released or (
        waiting.count + more < options.waiting_per_partition
        and len(waiting.of_row.get(row, ())) + more_of_row < options.waiting_per_user
        and waiting.bytes_of.get(row, 0) + bytes_with <= options.waiting_bytes_per_user
    )
