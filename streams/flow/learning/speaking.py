"""What the events of a batch say of items, event by event in the order of the log.

Each event on an item whose action has a weight above 0 says that the item was used, once: when it is read first. A
rating says so, however low: the user chose what was rated. An event whose item is unknown says so then, too, though it
waits; it says nothing more when it is applied. So which events say something does not depend on when a worker learns
of an item, and `state.items.origins` can tell every repeat by its offset. The pairs with the items that the user chose
before are made of the user's state; an event that waits makes none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.flow.folding.batch import Batch
from streams.flow.folding.waiting import SetAside
from streams.flow.learning.said import NOTHING_SAID, Said
from streams.flow.signals import times
from streams.interest.base import Floats, Longs, Signals
from streams.items.signaller import Remembered, Uses, item_signals, session_key, user_key
from streams.items.signals import NO_KEY, ItemSignals
from streams.recommend import Catalog
from streams.recommend.catalog import item_key
from streams.state.users.partition import UserPartition


def speak(
    part: UserPartition,
    batch: Batch,
    states: Any,
    signals: Signals,
    indices: Longs,
    before: Longs,
    aside: SetAside,
    catalog: Catalog,
    near: Floats,
) -> Said:
    """What a batch says, while the histories in the states (U,) are those of before it.

    indices: (n,) index among the events of each signal. before: (M,) signals of each of the first M users so far.
    """
    if batch.waited:
        return NOTHING_SAID
    known = _of_signals(part, batch, states, signals, indices, before, catalog, near)
    if not aside.events.any():
        return Said(known)
    unknown, names = _of_unknown(batch, aside)
    if not len(unknown):
        return Said(known)
    both = ItemSignals.joined([known, unknown])
    return Said(both.only(np.argsort(both.offsets, kind="stable")), names)


def _of_signals(
    part: UserPartition,
    batch: Batch,
    states: Any,
    signals: Signals,
    indices: Longs,
    before: Longs,
    catalog: Catalog,
    near: Floats,
) -> ItemSignals:
    base = batch.base[indices]
    chosen = np.flatnonzero((signals.items >= 0) & (base > 0))
    if not len(chosen):
        return ItemSignals.none()
    chosen = chosen[np.argsort(indices[chosen])]
    users = signals.users[chosen]
    names = part.users
    keys = np.array([user_key(names[row]) for row in batch.touched[batch.moved].tolist()], dtype=np.uint64)
    uses = Uses(
        users=users,
        items=catalog.keys[signals.items[chosen]],
        times=signals.times[chosen],
        weights=base[chosen],
        ordinals=before[users] + batch.plan.occurrence[chosen],
        offsets=batch.new.offsets[indices[chosen]],
    )
    return item_signals(Remembered.of(states["history"][batch.moved], keys), uses, near)


def _of_unknown(batch: Batch, aside: SetAside) -> tuple[ItemSignals, dict[int, str]]:
    """Uses of unknown items, in log order, and the ids of these."""
    indices, new = np.flatnonzero(aside.events), batch.new
    events, found = new.events.only(indices), np.minimum(batch.base[indices], np.float32(1))
    chosen = np.flatnonzero(found > 0)
    when = times(events.times, new.recorded[indices])[chosen]
    users = [user_key(events[index].user_id) for index in chosen.tolist()]
    items = [events[index].item_id or "" for index in chosen.tolist()]
    keys = [item_key(item) for item in items]
    sessions = [session_key(user, time) for user, time in zip(users, when.tolist(), strict=True)]
    columns = np.array(keys, dtype=np.uint64), np.full(len(keys), NO_KEY, dtype=np.uint64)
    signals = ItemSignals(
        *columns, found[chosen], when, np.array(sessions, dtype=np.uint64), new.offsets[indices[chosen]]
    )
    return signals, dict(zip(keys, items, strict=True))
