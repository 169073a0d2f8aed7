"""The fold of a batch, around events that cannot be folded: isolated, their neighbours unharmed.

Events are attempted together, and only where that fails in halves, each entered before the next is tried. Every
user's fold is sequential, so which events are isolated depends on the log alone and not on the batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from streams.events.canonical import Rejected, SourceRecord, decode_stored, encode, good_record
from streams.events.isolation import isolate, unexpected
from streams.events.records import Record
from streams.flow.batch import Batch
from streams.flow.decoded import Decoded, Updated
from streams.interest.base import Floats, States
from streams.state.users.partition import UserPartition

if TYPE_CHECKING:
    from streams.flow.flow import Flow

STAGE = "update.fold"


def fold_isolating(flow: Flow, part: UserPartition, decoded: Decoded, texts: Floats) -> Updated:
    """Fold all that can be folded, and count its outcomes. Raises EverythingFailsError."""
    ready = decoded.ready()

    def attempt(run: range) -> Updated:
        return fold(flow, part, *decoded.share(ready[run.start : run.stop], texts))

    runs, failed = isolate(len(ready), attempt, lambda: fold_known_good(flow))
    updated = Updated.of(runs)
    reasons = {ready[index]: unexpected(error, STAGE) for index, error in failed.items()}
    isolated = decoded.refused | reasons
    if decoded.released and isolated:
        # They wait no more, which only their users' records can tell a recovery.
        users = dict.fromkeys(decoded.events[index].user_id for index in isolated)
        updated = Updated.of([updated, flow.again(part.partition, part.known_rows(users))])
    updated.isolated = _records(flow, part, decoded, isolated)
    # What is read again for its outputs is in the books already.
    updated.outcomes.update(
        f"rejected.{reason.reason}"
        for record, reason in [*decoded.rejected, *updated.isolated]
        if decoded.released or record.offset > part.watermark
    )
    return updated


def fold(flow: Flow, part: UserPartition, decoded: Decoded, texts: Floats) -> Updated:
    """Fold events and enter them; where it raises, no trace is left."""
    outcomes = Counter[str]()
    try:
        # What overflows ends as no number, or as a vector of zeros where there is an interest.
        with np.errstate(over="raise", invalid="ignore"):
            batch = Batch.of(flow, part, decoded, outcomes)
            folded = batch.fold(texts, outcomes)
            moved = slice(0, batch.signalled)
            _require_finite(folded.states["model"][moved])
            vectors = flow.vectors(part, batch.touched[moved], folded.states[moved])
    except Exception:  # whatever it was, the users that these events brought are not there
        rows = part.rows(list(dict.fromkeys(event.user_id for event in decoded.events)))
        part.leave_unseen(rows)
        raise
    batch.enter(folded)
    return Updated(part.records(batch.touched, folded.changed), vectors, outcomes, batch.touched)


def _require_finite(models: States) -> None:
    """Raises FloatingPointError where a number of a model's states is not finite."""
    for name, (dtype, *_) in (models.dtype.fields or {}).items():
        if dtype.base.kind == "f" and not np.isfinite(models[name]).all():
            raise FloatingPointError(
                "the interest would not be finite: a weight or a vector is too large, or none"
            )


def fold_known_good(flow: Flow) -> None:
    """Fold one event with nothing wrong, of an ordinary weight where there is any, of a user nobody knows."""
    weights = {action: abs(weight) for action, weight in flow.weighing.weight_of.items() if weight}
    event = decode_stored(good_record())
    event.item_id, event.text = None, "known good"
    event.action = min(weights, key=lambda action: abs(weights[action] - 1), default=event.action)
    nought = np.zeros(1, dtype=np.int64)
    vector = np.full((1, flow.catalog.dim), flow.catalog.dim**-0.5, dtype=np.float32)
    fold(flow, UserPartition(0, flow.layout, capacity=1), Decoded([event], nought, nought), vector)


def _records(
    flow: Flow, part: UserPartition, decoded: Decoded, reasons: Mapping[int, Rejected]
) -> list[tuple[SourceRecord, Rejected]]:
    """The records of these events; of one that had waited, as it was kept."""
    found: list[tuple[SourceRecord, Rejected]] = []
    for index, reason in sorted(reasons.items()):
        if decoded.records:
            found.append((decoded.records[index], reason))
            continue
        event, topic = decoded.events[index], flow.options.events_topic
        offset, recorded = int(decoded.offsets[index]), int(decoded.recorded[index])
        key, value = event.user_id.encode(), encode(event)
        found.append((Record(topic, part.partition, offset, recorded, key, value, ()), reason))
    return found
