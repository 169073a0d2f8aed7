"""Item records into embeddings, and embeddings into the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from encoders.core.base import Encoder
from sinks.base import TopicRecords
from streams.catalog.updater import CatalogUpdater, Changes
from streams.interest.base import Floats
from streams.kafka.member.batches import RecordBatch
from streams.worker.stages.outputs import Outputs, Pending


class CatalogStage:
    """Of one worker."""

    name, needs_catalog = "catalog", False

    def __init__(self, catalog_updater: CatalogUpdater, encoder: Encoder, topic_embeddings: str) -> None:
        """topic_embeddings: where embeddings go."""
        self.catalog_updater, self.encoder, self._topic = catalog_updater, encoder, topic_embeddings

    def start(self, batch: RecordBatch) -> Outputs | Pending:
        """Find which items changed; these are encoded first."""
        changes = self.catalog_updater.changes(batch.records)
        if not changes.items:
            return self._outputs(changes, None)
        encode = partial(self.catalog_updater.encode, changes, self.encoder)
        return Pending(encode, partial(self._outputs, changes))

    def _outputs(self, changes: Changes, vectors: Floats | None) -> Outputs:
        records = self.catalog_updater.records(changes, vectors)
        return Outputs(
            groups=[TopicRecords(self._topic, records, headers=changes.headers())],
            rejected=changes.rejected,
            outcomes=changes.outcomes(),
            media_failed=changes.media_failed,
        )

    def learn(self, messages: Sequence[Any]) -> None:
        """Bring the catalog up to these records of the embeddings topic; on the model thread."""
        self.catalog_updater.learn(messages)

    def settle(self) -> None:
        """Share what memory can be shared; on the model thread."""
        self.catalog_updater.catalog.settle()
