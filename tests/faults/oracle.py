"""The truth: the canonical topic, folded in one process, in one go, by the same flow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import orjson
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from encoders.core.base import identity
from streams.catalog.updater import CatalogUpdater
from streams.events.records import Record
from streams.history.replay import replay
from streams.kafka.clients import client_config
from streams.settings.settings import Settings
from streams.wiring.app import build_flow
from streams.wiring.encoder import build_encoder
from streams.worker.recovery import topic_identity
from tests.faults.log import Changelog, Row


class Oracle:
    """Folds the log on from where the last look ended, and counts what stands in it."""

    def __init__(self, settings: Settings, embeddings: Iterable[Message]) -> None:
        """embeddings: records of the catalog, which must be all there before the first event."""
        self.encoder = build_encoder(settings)
        self.flow = build_flow(settings, identity(self.encoder))
        self.flow.reads_from(
            topic_identity(
                AdminClient(client_config(settings)),
                settings.topics.canonical,
            )
        )
        CatalogUpdater(self.flow.catalog, self.encoder, self.flow.options.limits).learn(list(embeddings))
        # Event ids in the log by user, in order; a producer's duplicate stands there twice.
        self.logged: dict[str, list[str]] = defaultdict(list)
        # Partition and offset of those that are no events.
        self.broken: set[tuple[int, ...]] = set()
        self.ends: dict[int, int] = defaultdict(int)

    def add(self, messages: Iterable[Message]) -> None:
        """Fold more of the log, in order per partition."""
        self.fold([Record.of(message) for message in messages])

    def fold(self, records: list[Record]) -> None:
        """Likewise, of records."""
        for _ in replay(self.flow, self.encoder, records):
            pass
        for record in records:
            self.ends[record.partition] = record.offset + 1
            self._note(record)

    def _note(self, record: Record) -> None:
        try:
            event = orjson.loads(record.value or b"")
            self.logged[event["user_id"]].append(event["event_id"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self.broken.add((record.partition, record.offset))

    def rows(self) -> dict[str, Row]:
        """The changelog record of each user, as it would be after one batch per user."""
        changelog = Changelog(self.flow)
        for part in self.flow.partitions.values():
            rows = np.arange(len(part), dtype=np.int64)
            for key, value in part.records(rows, part.read_rows(rows)):
                changelog.put(key.decode(), value)
        return {user: row for user, row in changelog.rows.items() if row.place[1] > 0}
