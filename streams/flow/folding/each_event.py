"""A vector for each event that moved its user, where the settings ask for it."""

from __future__ import annotations

import numpy as np

from streams.flow.decoded import KeyValues
from streams.flow.folding.batch import Batch
from streams.flow.outputs import Writer
from streams.interest.base import Interests, Longs
from streams.interest.rounds import occurrences
from streams.interest.steps import Steps
from streams.state.users.duplicates import Mask
from streams.state.users.partition import UserPartition


def vector_per_event(
    writer: Writer, part: UserPartition, batch: Batch, done: Mask, indices: Longs, steps: Steps
) -> KeyValues:
    """A vector record for each signal, in the order of the log; the partition's rows are as before the batch.

    done: (n,) true for events that do not wait. indices: as in `Folded`.
    """
    order = np.argsort(indices)
    indices = indices[order]
    where = batch.position[indices]
    rows = batch.touched[where]
    before = part.layout.view(part.arena)
    heads = {
        # An event that waited is older than what its user's state goes to.
        "offset": np.maximum(part.offsets(rows), batch.new.offsets[indices]),
        "applied": before["applied"][rows] + _numbers(batch, done)[indices],
        "epoch": np.full(len(rows), part.deliveries.epoch),
    }
    interests = Interests(steps.interests.vectors[order], steps.interests.shares[order])
    users = [part.users[row] for row in rows.tolist()]
    return writer.vectors(part.partition, users, heads, steps.counts[order], steps.times[order], interests)


def _numbers(batch: Batch, done: Mask) -> Longs:
    """(n,) how many of its user's events of the batch are done with each that is done; 0 for others."""
    numbers = np.zeros(len(done), dtype=np.int64)
    users = batch.position[done]
    numbers[done] = occurrences(users, np.bincount(users, minlength=len(batch.touched))) + 1
    return numbers
