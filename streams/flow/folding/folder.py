"""The fold of a batch, around events that cannot be folded: these are isolated, their neighbours unharmed.

Events are attempted together, and only where that fails in halves, each entered before the next is tried. Every
user's fold is sequential, so which events are isolated depends on the log alone and not on the batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from streams.events.canonical import Event, decode_stored, encode, good_record
from streams.events.columns.events import Events
from streams.events.isolation import isolate, unexpected
from streams.events.records import Record, SourceRecord
from streams.events.rejections import Rejected
from streams.flow.decoded import Decoded, KeyValues, Updated
from streams.flow.folding.batch_folder import BatchFolder
from streams.flow.folding.parts import FoldParts
from streams.flow.signals import EventWeights
from streams.interest.base import Floats, Longs
from streams.state.users.partition import UserPartition

STAGE = "update.fold"


class EventFolder:
    """Changes partitions' states: folds events into them, and writes users anew."""

    def __init__(self, parts: FoldParts) -> None:
        self._parts, self._batches = parts, BatchFolder(parts)

    def fold(self, part: UserPartition, decoded: Decoded, texts: Floats) -> Updated:
        """Fold all events that can be folded, and count what becomes of each. Raises EverythingFailsError.

        texts (t, dim): vectors of `decoded.texts()`.
        """
        ready = decoded.ready()

        def attempt(run: range) -> Updated:
            return self._batches.fold(part, *decoded.subset(ready[run.start : run.stop], texts))

        runs, failed = isolate(len(ready), attempt, self._fold_known_good)
        updated = Updated.of(runs)
        isolated = decoded.refused | {ready[i]: unexpected(error, STAGE) for i, error in failed.items()}
        if decoded.waited and isolated:
            # They wait no more, which only their users' records can tell a recovery.
            users = dict.fromkeys(decoded.events[index].user_id for index in isolated)
            updated = Updated.of([updated, self.republish(part, part.known_rows(users))])
        updated.isolated = self._records(part, decoded, isolated)
        # What is read again for its outputs is in the books already.
        updated.outcomes.update(
            f"rejected.{reason.reason}"
            for record, reason in [*decoded.rejected, *updated.isolated]
            if decoded.waited or record.offset > part.processed_offset
        )
        return updated

    def republish(self, part: UserPartition, rows: Longs) -> Updated:
        """The changelog records and vectors of these rows (n,) once more, as a change of its own."""
        changed = part.read_rows(rows)
        part.set_version(self._parts.layout.view(changed))
        part.write_rows(rows, changed)
        if self._parts.options.recommendations.enabled:
            part.set_due(rows)
        return Updated(part.records(rows, changed), self.vectors(part, rows), Counter(), rows)

    def vectors(self, part: UserPartition, rows: Longs) -> KeyValues:
        """Vector records of those of the rows (n,) that an event has moved."""
        states = self._parts.layout.view(part.read_rows(rows))
        moved = self._parts.model.counts(states["model"]) > 0
        return self._batches.vectors(part, rows[moved], states[moved])

    def _fold_known_good(self) -> None:
        """Fold one event with nothing wrong, of a user nobody knows."""
        part, dim = UserPartition(0, self._parts.layout, capacity=1), self._parts.catalog.dim
        zero = np.zeros(1, np.int64)
        decoded = Decoded(Events.of([_known_good_event(self._parts.event_weights)]), zero, zero)
        self._batches.fold(part, decoded, np.full((1, dim), dim**-0.5, dtype=np.float32))

    def _records(
        self, part: UserPartition, decoded: Decoded, reasons: Mapping[int, Rejected]
    ) -> list[tuple[SourceRecord, Rejected]]:
        """The records of these events; of one that waited, as it was kept."""
        found: list[tuple[SourceRecord, Rejected]] = []
        for index, reason in sorted(reasons.items()):
            if decoded.records:
                found.append((decoded.records[index], reason))
                continue
            event, topic = decoded.events[index], self._parts.options.topics.canonical
            offset, recorded = int(decoded.offsets[index]), int(decoded.recorded[index])
            key, value = event.user_id.encode(), encode(event)
            found.append((Record(topic, part.partition, offset, recorded, key, value, ()), reason))
        return found


def _known_good_event(event_weights: EventWeights) -> Event:
    """An event of a weight near 1, where there is one."""
    weights = {action: abs(weight) for action, weight in event_weights.weight_of.items() if weight}
    event = decode_stored(good_record())
    event.item_id, event.text = None, "known good"
    event.action = min(weights, key=lambda action: abs(weights[action] - 1), default=event.action)
    return event
