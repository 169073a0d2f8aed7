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

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from streams.flow.feedback.ids import ShownItem, checksum, read_id
from streams.flow.feedback.impressions import DISPLACED, IGNORED, SHOWN, USED, Impression, Joined
from streams.flow.folding.batch import Batch
from streams.flow.folding.item_rows import UNKNOWN_ITEM
from streams.flow.signals import times
from streams.interest.base import Longs
from streams.recommend import Catalog
from streams.recommend.catalog import item_key
from streams.settings.action_words import ActionSet
from streams.settings.sections.recommendations import FeedbackSettings
from streams.state.users.duplicates import Keys, Mask
from streams.state.users.layout import SHOWN_DTYPE


class Act(NamedTuple):
    """What an event means here. item: its key, 0 for none. used: whether it is a use."""

    time: int
    offset: int
    item: int
    used: bool
    shown: ShownItem | None


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

    def join(self, batch: Batch, states: Any) -> list[Joined]:
        """What a batch says, in the order of its users and of the log; changes the impressions in the states (U,)."""
        if batch.waited or not len(batch.new.offsets):
            return []
        shown = self._is_impression(batch)
        # Users who have impressions that wait, or a new one; nobody else's events mean anything here.
        meant = (states["shown"]["item"] != 0).any(axis=1)
        meant[batch.position[shown]] = True
        found: list[Joined] = []
        for user, acts in self._acts(batch, shown, np.flatnonzero(meant[batch.position])):
            before = [Impression(*one) for one in states["shown"][user].tolist() if one[0]]
            after = self._of_user(before, acts, int(batch.touched[user]), found)
            kept = np.zeros(self.settings.remembered, dtype=SHOWN_DTYPE)
            kept[: len(after)] = after
            states["shown"][user] = kept
        return found

    def _of_user(
        self, waiting: list[Impression], acts: list[Act], row: int, found: list[Joined]
    ) -> list[Impression]:
        """What waits after a user's events. waiting: before them, the oldest first."""
        for act in acts:
            left = []
            for one in waiting:
                if (outcome := self._outcome(one, act)) is None:
                    left.append(one)
                else:
                    found.append(Joined(outcome, row, act.offset, one))
            waiting = left
            if act.shown is not None:
                if len(waiting) == self.settings.remembered:
                    found.append(Joined(DISPLACED, row, act.offset, waiting.pop(0)))
                said = act.shown
                new = Impression(act.item, act.time, said.offset, checksum(said.source), said.place, said.arm)
                waiting.append(new)
                found.append(Joined(SHOWN, row, act.offset, new))
        return waiting

    def _outcome(self, one: Impression, act: Act) -> str | None:
        """What an event makes of an impression that waits; None where it waits on."""
        if one.time + self._window < act.time:
            return IGNORED
        if one.item != act.item:
            return None
        if act.shown is not None:
            return DISPLACED
        return USED if act.used and act.time >= one.time else None

    def _is_impression(self, batch: Batch) -> Mask:
        """(n,) true for events that say that an item was shown."""
        actions = batch.new.events.actions
        said = np.array([action in self._impressions for action in actions.known], dtype=np.bool_)
        found: Mask = said[actions.of]
        return found

    def _acts(self, batch: Batch, shown: Mask, indices: Longs) -> Iterator[tuple[int, list[Act]]]:
        """By user, what the events of these indices mean, in the order of the log."""
        new, found = batch.new, dict[int, list[Act]]()
        when = times(new.events.times, new.recorded).tolist()
        keys, positions, offsets = self._keys(batch, indices), batch.position.tolist(), new.offsets.tolist()
        used = (batch.base > 0) & ~shown
        for index, key in zip(indices.tolist(), keys.tolist(), strict=True):
            said = None
            if shown[index] and key:
                event = new.events[index]
                said = read_id(event.recommendation_id or "", event.user_id)
            act = Act(when[index], offsets[index], key, bool(used[index]), said)
            found.setdefault(positions[index], []).append(act)
        yield from found.items()

    def _keys(self, batch: Batch, indices: Longs) -> Keys:
        """(m,) key of the item of each of these events; 0 for none."""
        items = batch.items[indices]
        keys = np.zeros(len(items), dtype=np.uint64)
        keys[items >= 0] = self.catalog.keys[items[items >= 0]]
        for at in np.flatnonzero(items == UNKNOWN_ITEM).tolist():
            keys[at] = item_key(batch.new.events[int(indices[at])].item_id or "")
        return keys
