"""Finds the events of a batch that their user's state contains already.

Three rules. By offset: a record that is read again. By origin: a source record that ingest wrote again (see
`origins`). By `event_id`: an event that a producer sent twice, under two offsets; each state remembers the ids of its
user's last W events. The last rule is sequential, so that batches make no difference: an event is a duplicate if its
id is among the last W that its user's events had, in log order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from streams.events.canonical import Event
from streams.events.columns.events import Events
from streams.events.columns.origins import OriginColumns
from streams.events.provenance import Origin
from streams.interest.base import Longs
from streams.interest.rounds import occurrences
from streams.kernels.compiling import compiled
from streams.kernels.names import keys as keys_of
from streams.kernels.rows import DUPLICATE, NEW, REPEAT, TAKEN, sift
from streams.state.users.partition import UserPartition

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
# Spreads users over 64 bits, so that one id of two users is no candidate (2**64 / golden ratio).
SPREAD = np.uint64(0x9E3779B97F4A7C15)


def event_key(event_id: str, source: str = "", topic: str = "") -> int:
    """64-bit key of an event id, 1 to 2**64 - 1 (XXH3-64 of its UTF-8); 0 is an empty slot.

    Two producers may give two events one id, so the key also depends on the event's `source`, and on the topic that
    it was ingested from.
    """
    named = f"{source}\0{event_id}" if source else event_id
    return xxh3_64_intdigest(named.encode(), _seed(topic)) or 1


def event_keys(events: Sequence[Event], origins: OriginColumns | Sequence[Origin | None]) -> Keys:
    """(n,) `event_key` of each. origins: (n,) or empty where no event has one."""
    if isinstance(events, Events) and (given := events.id_bytes) is not None:
        found: Keys = keys_of(given.buffer, given.ids, given.sources, _seeds(origins, len(events)))
        decoded = np.flatnonzero(given.ids[:, 1] == 0).tolist()
        topics = _topics(origins) if decoded else ()
        for index in decoded:
            event = events[index]
            found[index] = event_key(event.event_id, event.source, topics[index] if topics else "")
        return found
    if not origins:
        return np.array([event_key(event.event_id, event.source) for event in events], dtype=np.uint64)
    both = zip(events, _topics(origins), strict=True)
    return np.array([event_key(event.event_id, event.source, topic) for event, topic in both], np.uint64)


def _topics(origins: OriginColumns | Sequence[Origin | None]) -> Sequence[str]:
    """(n,) the source topic of each event, empty where it has no origin; nothing where none has one."""
    if not isinstance(origins, OriginColumns):
        return [origin.topic if origin else "" for origin in origins]
    # Whoever has no place, -1, finds what stands last.
    names = [*(stream.partition("/")[0] for stream, _ in origins.places), ""]
    return [names[place] for place in origins.of.tolist()]


def _seeds(origins: OriginColumns | Sequence[Origin | None], count: int) -> Keys:
    """(n,) with which the keys of events of these origins begin."""
    if not origins:
        return np.zeros(count, dtype=np.uint64)
    if isinstance(origins, OriginColumns):
        topics, of = [stream.partition("/")[0] for stream, _ in origins.places], origins.of
        found: Keys = np.array([*map(_seed, topics), 0], dtype=np.uint64)[of]
        return found
    return np.array([_seed(topic) for topic in _topics(origins)], dtype=np.uint64)


def _seed(topic: str) -> int:
    return xxh3_64_intdigest(topic.encode()) if topic else 0


def fresh_events(
    part: UserPartition,
    rows: Longs,
    offsets: Longs,
    keys: Keys,
    repeated: Mask | None,
    outcomes: Counter[str],
) -> Mask:
    """(n,) false for repeats, which are counted, and for events that the books contain: these are read again.

    repeated: (n,) true for events whose origin was read before; None where there are none.
    """
    if compiled():
        return _fresh_compiled(part, rows, offsets, keys, repeated, outcomes)
    unread = offsets > part.processed_offset
    fresh: Mask = unread & (offsets > part.offsets(rows))
    taken = unread & ~fresh
    if repeated is not None and repeated.any():
        outcomes["repeat"] += int((unread & repeated).sum())
        fresh, taken = fresh & ~repeated, taken & ~repeated
    _book_taken(part, rows[taken], offsets[taken], outcomes)
    new = new_events(part.layout.view(part.arena), rows[fresh], keys[fresh])
    if repeats := int((~new).sum()):
        outcomes["duplicate"] += repeats
    fresh[fresh] = new
    return fresh


def _fresh_compiled(
    part: UserPartition,
    rows: Longs,
    offsets: Longs,
    keys: Keys,
    repeated: Mask | None,
    outcomes: Counter[str],
) -> Mask:
    states = part.layout.view(part.arena)
    if repeated is None:
        repeated = np.zeros(len(rows), dtype=bool)
    found = sift(
        *(rows, offsets, keys, repeated, part.processed_offset),
        *(states["offset"], states["accepted"], states["recent_ids"]),
    )
    fresh: Mask = found == NEW
    if not fresh.all():
        for outcome, number in (("repeat", REPEAT), ("duplicate", DUPLICATE)):
            if count := int(np.count_nonzero(found == number)):
                outcomes[outcome] += count
        taken = found == TAKEN
        _book_taken(part, rows[taken], offsets[taken], outcomes)
    return fresh


def _book_taken(part: UserPartition, rows: Longs, offsets: Longs, outcomes: Counter[str]) -> None:
    """Book events that are in the state, but whose worker ended before it wrote the progress record that books them."""
    for row, offset in zip(rows.tolist(), offsets.tolist(), strict=True):
        outcomes["waiting" if part.waiting.holds(row, offset) else "recovered"] += 1


def new_events(states: Any, rows: Longs, keys: Keys) -> Mask:
    """(n,) false for the events whose id is among the last W of their user.

    states: structured rows of all users (see UserLayout); W is the length of `recent_ids`.
    rows: (n,) the row of each event's user, events in log order.
    """
    fresh = np.ones(len(keys), dtype=bool)
    # Nearly always there is none, which one comparison of all of them shows.
    candidates = (states["recent_ids"][rows] == keys[:, None]).any(axis=1) | _repeated(rows, keys)
    for row in np.unique(rows[candidates]).tolist():
        own = np.flatnonzero(rows == row)
        fresh[own] = _one_by_one(states[row], keys[own])
    return fresh


def remember(states: Any, position: Longs, keys: Keys) -> None:
    """Enter the ids of new events into their users' rings. position: (n,) index into states per event, in log order."""
    window = states["recent_ids"].shape[1]
    counts = np.bincount(position, minlength=len(states))
    occurrence = occurrences(position, counts)
    kept = occurrence >= counts[position] - window
    users = position[kept]
    states["recent_ids"][users, (states["accepted"][users] + occurrence[kept]) % window] = keys[kept]
    states["accepted"] += counts


def _repeated(rows: Longs, keys: Keys) -> Mask:
    """(n,) true where the batch may contain an id of the same user twice."""
    mixed = keys ^ (rows.astype(np.uint64) * SPREAD)
    order = np.argsort(mixed)
    same = np.zeros(len(mixed), dtype=bool)
    same[order[1:]] = mixed[order[1:]] == mixed[order[:-1]]
    return same


def _one_by_one(state: Any, keys: Keys) -> list[bool]:
    """The sequential rule, for one user: True per event that is no duplicate."""
    window, count = len(state["recent_ids"]), int(state["accepted"])
    ring = np.roll(state["recent_ids"], -(count % window)).tolist()
    last = deque(ring, maxlen=window)
    fresh = []
    for key in keys.tolist():
        fresh.append(key not in last)
        if fresh[-1]:
            last.append(key)
    return fresh
