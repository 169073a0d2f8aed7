"""Which impressions were answered: the join of events that say that an item was shown with what its user used.

An impression waits in its user's state. A use of its item by the user, within the window of event time, answers it:
`used`. The user's first event after the window ends it: `ignored`. Shown again, or pushed out by newer ones, it ends
unjudged: `displaced`. Each impression counts once as `shown`, and ends at most once.

**The counts are exact through crashes, pauses and rebalances.** The fold of a user goes event by event in the order of
the log, so what a batch counts is decided by the log alone, not by the batches or the worker; a repeat or a duplicate
is dropped before. Counts c(o), of all events of the partition up to offset o, are written to the changelog as one
record, ahead of the batch's rows (`PartitionState.feedback_record`). One producer writes both in order, and what stands
behind a refused record is not appended. So whatever prefix of the log a recovery finds, with c(o) the newest counts
there:

1. A row never holds an event beyond o. Otherwise its batch had written its own counts before the row.
2. An event up to o that no row holds is folded again, to the same, and is not counted again: its offset is not above o.
3. An event beyond o is in no row (1), so it is folded, and counts then.

Of counts by two owners those of the higher offset are taken, and those of one offset are equal. A paused owner's rows
come behind its own counts, so the same holds of them, as long as compaction leaves what is younger than the pause
(`min.compaction.lag.ms`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.flow.feedback.ids import checksum, read_id
from streams.flow.feedback.impressions import NOTHING_JOINED, Joined
from streams.flow.folding.batch import Batch
from streams.flow.folding.item_rows import UNKNOWN_ITEM
from streams.flow.signals import times
from streams.interest.base import Longs
from streams.kernels.compiling import compiled
from streams.kernels.rings import DISPLACED, IGNORED, IMPRESSION, OTHER_ACT, SHOWN, USE, USED, join
from streams.recommend import Catalog
from streams.recommend.catalog import item_key
from streams.settings.action_words import ActionSet
from streams.settings.sections.recommendations import FeedbackSettings
from streams.state.users.duplicates import Keys, Mask
from streams.state.users.layout import SHOWN_DTYPE

FIELDS = SHOWN_DTYPE.names or ()
ITEM, TIME = FIELDS.index("item"), FIELDS.index("time")


@dataclass(frozen=True, slots=True)
class Acts:
    """What n events mean here, in the order of the log. position: (n,) of each one's user. kinds: (n,).

    said: (n,) of SHOWN_DTYPE: item and time of each event, and the rest of an impression.
    """

    position: Longs
    kinds: npt.NDArray[np.uint8]
    said: Any


@dataclass
class FeedbackJoin:
    """Joins the events of batches. Impressions of unknown items count, too; an event that waited said so before."""

    catalog: Catalog
    settings: FeedbackSettings
    _impressions: ActionSet = field(init=False)
    _window: int = field(init=False)

    def __post_init__(self) -> None:
        self._impressions = ActionSet(self.settings.impression_actions, ())
        self._window = int(self.settings.window_s * 1000)

    def join(self, batch: Batch, states: Any) -> Joined:
        """What a batch says; changes the impressions in the states (U,)."""
        if batch.waited or not len(batch.new.offsets):
            return NOTHING_JOINED
        shown = self._is_impression(batch)
        # Users who have impressions that wait, or a new one; nobody else's events mean anything here.
        meant = states["shown"]["item"][:, 0] != 0
        meant[batch.position[shown]] = True
        indices = np.flatnonzero(meant[batch.position])
        if not len(indices):
            return NOTHING_JOINED
        acts = self._acts(batch, shown, indices)
        found = self._compiled(acts, states) if compiled() else self._one_by_one(acts, states)
        events, outcomes, impressions = found
        rows = batch.touched[acts.position[events]]
        return Joined(outcomes, rows, batch.new.offsets[indices[events]], impressions)

    def _compiled(self, acts: Acts, states: Any) -> tuple[Longs, npt.NDArray[np.uint8], Any]:
        """Of each outcome the event, by its index among the acts; the outcome; and the impression."""
        waits = states["shown"]
        most = int(np.count_nonzero(waits["item"])) + 2 * int(np.count_nonzero(acts.kinds == IMPRESSION))
        events, outcomes = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.uint8)
        told = np.zeros(most, dtype=SHOWN_DTYPE)
        count = join(
            *(acts.position, acts.kinds, *(acts.said[name] for name in FIELDS), self._window),
            *(waits[name] for name in FIELDS),
            *(events, outcomes, *(told[name] for name in FIELDS)),
        )
        return events[:count], outcomes[:count], told[:count]

    def _one_by_one(self, acts: Acts, states: Any) -> tuple[Longs, npt.NDArray[np.uint8], Any]:
        """The same, without compiled code."""
        waits, most = dict[int, list[Any]](), states["shown"].shape[1]
        found: list[tuple[int, int, Any]] = []
        columns = acts.position.tolist(), acts.kinds.tolist(), acts.said.tolist()
        for event, (user, kind, said) in enumerate(zip(*columns, strict=True)):
            if user not in waits:
                waits[user] = [one for one in states["shown"][user].tolist() if one[ITEM]]
            told = [(self._outcome(one, kind, said), one) for one in waits[user]]
            found += [(event, outcome, one) for outcome, one in told if outcome is not None]
            waits[user] = [one for outcome, one in told if outcome is None]
            if kind == IMPRESSION:
                if len(waits[user]) == most:
                    found.append((event, DISPLACED, waits[user].pop(0)))
                waits[user].append(said)
                found.append((event, SHOWN, said))
        for user, left in waits.items():
            states["shown"][user] = np.array([*left, *[(0,) * len(FIELDS)] * (most - len(left))], SHOWN_DTYPE)
        events, outcomes = ([one[place] for one in found] for place in (0, 1))
        impressions = np.array([one for *_, one in found], dtype=SHOWN_DTYPE)
        return np.array(events, dtype=np.int64), np.array(outcomes, dtype=np.uint8), impressions

    def _outcome(self, one: Any, kind: int, said: Any) -> int | None:
        """What an event makes of an impression that waits; None where it waits on."""
        if one[TIME] + self._window < said[TIME]:
            return IGNORED
        if one[ITEM] != said[ITEM] or kind == OTHER_ACT:
            return None
        if kind == IMPRESSION:
            return DISPLACED
        return USED if said[TIME] >= one[TIME] else None

    def _is_impression(self, batch: Batch) -> Mask:
        """(n,) true for events that say that an item was shown."""
        actions = batch.new.events.actions
        said = np.array([action in self._impressions for action in actions.known], dtype=np.bool_)
        found: Mask = said[actions.of]
        return found

    def _acts(self, batch: Batch, shown: Mask, indices: Longs) -> Acts:
        """What the events of these indices mean."""
        new = batch.new
        said = np.zeros(len(indices), dtype=SHOWN_DTYPE)
        said["item"] = self._keys(batch, indices)
        said["time"] = times(new.events.times[indices], new.recorded[indices])
        kinds = np.where((batch.base[indices] > 0) & ~shown[indices], USE, OTHER_ACT).astype(np.uint8)
        for at in np.flatnonzero(shown[indices] & (said["item"] != 0)).tolist():
            event = new.events[int(indices[at])]
            if (own := read_id(event.recommendation_id or "", event.user_id)) is not None:
                key, time = said[at]["item"], said[at]["time"]
                said[at] = key, time, own.offset, checksum(own.source), own.place, own.arm
                kinds[at] = IMPRESSION
        return Acts(np.ascontiguousarray(batch.position[indices]), kinds, said)

    def _keys(self, batch: Batch, indices: Longs) -> Keys:
        """(m,) key of the item of each of these events; 0 for none."""
        items = batch.items[indices]
        keys = np.zeros(len(items), dtype=np.uint64)
        keys[items >= 0] = self.catalog.keys[items[items >= 0]]
        for at in np.flatnonzero(items == UNKNOWN_ITEM).tolist():
            keys[at] = item_key(batch.new.events[int(indices[at])].item_id or "")
        return keys
