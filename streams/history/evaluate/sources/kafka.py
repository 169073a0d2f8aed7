"""The history that a worker wrote to Kafka, as a stream of visits: canonical events, and the items' vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka.admin import AdminClient

from streams.catalog.items import Item
from streams.catalog.updater import CatalogUpdater
from streams.events.canonical import Event, decode_stored
from streams.history.evaluate.contender import Floats
from streams.history.evaluate.contenders import EvaluateError
from streams.history.evaluate.live.space import Space
from streams.history.evaluate.sources.files import Told
from streams.history.evaluate.visits import Stream, build_stream
from streams.history.replay import refused_for_their_time
from streams.kafka.clients import client_config
from streams.kafka.reading import bounds_of, read_all
from streams.kafka.topics.admin import TopicAdmin
from streams.ops.log_lines import without_log
from streams.recommend import Catalog
from streams.recommend.attributes import CATEGORIES, Labels
from streams.recommend.catalog import NO_LABELS
from streams.settings.settings import Settings
from streams.wiring.app import build_limits, state_space
from streams.wiring.encoder import build_encoder, build_scoring
from streams.worker.recovery import topic_identity


class KafkaHistory:
    """Reads the canonical topic and the embeddings topic, outside any group; it writes nothing.

    Items are those of the catalog as it is now; vectors are those that were published. What an ingest wrote twice
    counts once, and what this generation's workers refused is left out.
    """

    name = "kafka"

    def __init__(self) -> None:
        self._vectors: Floats = np.zeros((0, 0), dtype=np.float32)

    def stream(self, settings: Settings, limit: int | None, told: Told) -> Stream:
        """See `Source.stream`; the limit takes the earliest by event time. Raises ReadError, EvaluateError."""
        # This says within seconds, and by name, that there is no broker.
        TopicAdmin(settings.kafka, settings.topics.group).topics()
        catalog = _catalog(settings)
        rows = sorted(catalog.row_of.values())
        if not rows:
            topic = settings.topics.embeddings
            raise EvaluateError(
                f"{topic} holds no item of the encoder of these settings: give the worker's settings"
            )
        items = [catalog.item(row) for row in rows]
        self._vectors = np.ascontiguousarray(catalog.vectors[rows])
        events = sorted(_events(settings, told), key=lambda event: event.timestamp)[:limit]
        if not events:
            raise EvaluateError(f"{settings.topics.canonical} holds no event: run a worker first")
        return build_stream(settings, items, events)

    def space(self, settings: Settings, stream: Stream, folder: Path, told: Told) -> Space:
        """See `Source.space`: the vectors as they were published. Raises SettingsError, EncoderError."""
        encoder, scoring = build_encoder(settings), build_scoring(settings)
        told(len(self._vectors), len(self._vectors))
        return Space(settings, encoder, scoring, self._vectors, state_space(encoder, scoring))


class Described(Catalog):
    """A catalog that also keeps what each item's record says of it, for whoever judges by all of it."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, titles=True)
        self._labels: dict[int, Labels] = {}

    def put(
        self,
        item_id: str,
        vector: Floats,
        hidden: bool = False,
        fingerprint: str = "",
        title: str = "",
        labels: Labels = NO_LABELS,
    ) -> int:
        """See `Catalog.put`."""
        row = super().put(item_id, vector, hidden, fingerprint, title, labels)
        self._labels[row] = labels
        return row

    def item(self, row: int) -> Item:
        """The item of a row, without its description."""
        labels = {name: list(values) for name, values in self._labels[row].items()}
        categories = labels.pop(CATEGORIES, [])
        hidden = not bool(self.live[row])
        attributes: dict[str, str | list[str]] = {**labels}
        return Item(self.item_ids[row], self.title(row), "", categories, hidden=hidden, attributes=attributes)


def _catalog(settings: Settings) -> Described:
    encoder = build_encoder(settings)
    catalog = Described(encoder.dim)
    updater = CatalogUpdater(catalog, encoder, build_limits(settings.limits))
    for messages in read_all(_config(settings), settings.topics.embeddings):
        updater.learn(messages)
    return catalog


def _events(settings: Settings, told: Told) -> Iterator[Event]:
    """In the order of the log of each partition, each once."""
    topic, config = settings.topics.canonical, _config(settings)
    total = sum(end - begin for begin, end in bounds_of(config, topic).values())
    topic_id = topic_identity(AdminClient(without_log(config)), topic).topic_id
    left_out = refused_for_their_time(config, settings.topics, topic_id)
    known, done = set[tuple[str, str, str]](), 0
    for messages in read_all(config, topic):
        for message in messages:
            event = decode_stored(message.value() or b"")
            ours = event.source, event.user_id, event.event_id
            if ours not in known and (message.partition(), message.offset()) not in left_out:
                known.add(ours)
                yield event
        done += len(messages)
        told(done, total)
    told(total, total)


def _config(settings: Settings) -> dict[str, Any]:
    return client_config(settings)
