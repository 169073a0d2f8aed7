"""Events that wait for an item to enter the catalog: which of a batch must wait, and which are ready.

What waits is bounded, in number and in bytes, for it is a part of each of its user's changelog records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streams.events.canonical import decode_stored, encode
from streams.events.columns.events import Events
from streams.flow.decoded import Decoded
from streams.flow.folding.batch import Batch
from streams.flow.folding.item_rows import UNKNOWN_ITEM
from streams.recommend import Catalog
from streams.settings.sections.state import UserStateSettings
from streams.state.users.duplicates import Mask
from streams.state.users.partition import UserPartition
from streams.state.users.waiting import Waiting, waiting_bytes


@dataclass(frozen=True, slots=True)
class SetAside:
    """The events of a batch whose item is unknown."""

    # (n,) true for these events.
    events: Mask
    # Those of them that wait, each with its user's row; the others are dropped.
    waiting: list[tuple[int, Waiting]]


def set_aside(
    part: UserPartition, batch: Batch, bounds: UserStateSettings, outcomes: Counter[str]
) -> SetAside:
    """Find and count the events of unknown items; those within the bounds are to wait."""
    aside: Mask = (batch.items == UNKNOWN_ITEM) & (batch.base != 0)
    kept: list[tuple[int, Waiting]] = []
    kept_of: Counter[int] = Counter()
    bytes_of: Counter[int] = Counter()
    for index in np.flatnonzero(aside).tolist():
        row, waiting = int(batch.new.rows[index]), _waiting(batch, index)
        bytes_with = bytes_of[row] + waiting_bytes(waiting)
        # An event that waited before keeps its place.
        if not batch.waited and not _has_room(part, bounds, row, len(kept), kept_of[row], bytes_with):
            outcomes["dropped"] += 1
            continue
        kept.append((row, waiting))
        kept_of[row], bytes_of[row] = kept_of[row] + 1, bytes_with
        outcomes["waiting"] += 1
    return SetAside(aside, kept)


def _waiting(batch: Batch, index: int) -> Waiting:
    new = batch.new
    event, offset, recorded = new.events[index], int(new.offsets[index]), int(new.recorded[index])
    return Waiting(offset, event.item_id or "", recorded, encode(event), int(new.keys[index]))


def _has_room(
    part: UserPartition, bounds: UserStateSettings, row: int, more: int, more_of_row: int, bytes_with: int
) -> bool:
    """True where one more event of the row may wait, beside `more` of the batch and `more_of_row` of the row.

    bytes_with: of the row's events of the batch, the one that asks among them.
    """
    waiting = part.waiting
    return (
        waiting.count + more < bounds.waiting_per_partition
        and len(waiting.of_row.get(row, ())) + more_of_row < bounds.waiting_per_user
        and waiting.bytes_of.get(row, 0) + bytes_with <= bounds.waiting_bytes_per_user
    )


def ready_events(parts: Mapping[int, UserPartition], catalog: Catalog) -> dict[int, Decoded]:
    """The waiting events whose item is in the catalog by now, by partition. Nothing changes: they wait on."""
    ready: dict[int, Decoded] = {}
    for number, part in parts.items():
        found = part.waiting.waiting_for(part.waiting.rows_by_item.keys() & catalog.row_of.keys())
        if found:
            ready[number] = Decoded(
                # They were checked when they began to wait: limits that are tighter by now do not lose them.
                events=Events.of([decode_stored(waiting.event) for waiting in found]),
                offsets=np.array([waiting.offset for waiting in found], dtype=np.int64),
                recorded=np.array([waiting.recorded for waiting in found], dtype=np.int64),
                waited=True,
                keys=[waiting.key for waiting in found],
            )
    return ready


def still_waiting(part: UserPartition, decoded: Decoded) -> bool:
    """True where each of these events is in the state and waits there."""
    return all(
        event.user_id in part.row_of and part.waiting.holds(part.row_of[event.user_id], offset)
        for event, offset in zip(decoded.events, decoded.offsets.tolist(), strict=True)
    )
