"""Canonical events into changed states, their changelog records and interest vectors."""

from __future__ import annotations

from functools import partial

import numpy as np

from encoders.core.base import Encoder
from streams.flow.encoding import Scoring
from streams.flow.flow import Decoded, Flow
from streams.flow.future import Future
from streams.interest.base import Floats
from streams.kafka.member.batches import RecordBatch
from streams.state import removed
from streams.worker.stages.outputs import Outputs, Pending, StateChange


class Update:
    """Drives the flow for the batches of one worker, and for events that waited for their item."""

    name, needs_catalog = "update", True

    def __init__(self, flow: Flow, encoder: Encoder, future: Future, scoring: Scoring | None = None) -> None:
        """future: refuses events that are too far ahead. scoring: tells the texts' sentiment."""
        self.flow, self.encoder, self.future, self.scoring = flow, encoder, future, scoring
        self._no_texts: Floats = np.zeros((0, encoder.dim), dtype=np.float32)

    def start(self, batch: RecordBatch) -> Outputs | Pending:
        """Decode a batch; fold it, where no text has to be encoded first."""
        if batch.removed is not None:
            removed.book(self.flow.partitions[batch.partition], batch.removed[1])
        decoded = self.flow.decode(batch.records)
        self.future.refuse(decoded)
        return self._fold_or_encode(batch.partition, decoded)

    def apply(self, partition: int, decoded: Decoded) -> Outputs | Pending:
        """The same for events that waited and are ready."""
        if decoded.texts():
            return Pending(self._encoding(decoded), partial(self._apply, partition, decoded))
        return self._apply(partition, decoded, self._no_texts)

    def _apply(self, partition: int, decoded: Decoded, texts: Floats) -> Outputs:
        # A rebalance may have come in between; then its new owner applies them.
        still_here = self.flow.still_waiting(partition, decoded)
        return self.fold(partition, decoded, texts) if still_here else Outputs()

    def _fold_or_encode(self, partition: int, decoded: Decoded) -> Outputs | Pending:
        if decoded.texts():
            return Pending(self._encoding(decoded), partial(self._encoded, partition, decoded))
        return self.fold(partition, decoded, self._no_texts)

    def _encoded(self, partition: int, decoded: Decoded, texts: Floats) -> Outputs | Pending:
        # Items were learnt meanwhile of which something is to be encoded first.
        if self.flow.fill_templates(decoded):
            return self._fold_or_encode(partition, decoded)
        return self.fold(partition, decoded, texts)

    def _encoding(self, decoded: Decoded) -> partial[Floats]:
        return partial(Flow.encode, self.encoder, decoded, self.scoring)

    def fold(self, partition: int, decoded: Decoded, texts: Floats) -> Outputs:
        """Fold events into the partition's states. texts (t, dim): vectors of `decoded.texts()`."""
        updated = self.flow.update(partition, decoded, texts)
        part = self.flow.partitions[partition]
        # Read again after a recovery, a batch ends before the processed offset and vouches for no more than itself.
        resume = min(part.processed_offset, decoded.last_offset)
        return Outputs(
            isolated=updated.isolated,
            change=StateChange(part, updated, resume),
            rejected=decoded.rejected,
            outcomes=updated.outcomes,
            newest=int(decoded.events.times.max()) if len(decoded.events) else None,
        )
