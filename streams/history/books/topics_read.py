"""The passes over the topics of a deployment, each of which is read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Message

from streams.events.records import Record
from streams.history.books.catalog import Items, RefusedItems, embedding_kind
from streams.history.books.events import Actions, CanonicalPartition
from streams.history.books.keys import DistinctKeys, NewestValues
from streams.history.books.ledger import Books
from streams.history.books.origins import canonical_origin, rejected_origin
from streams.history.books.sources import Ingest, Partition, SourcePartition
from streams.kafka.reading import Reader
from streams.settings.sections.topics import TopicSettings
from streams.state.changelog import CONTROL_KEYS, PROGRESS_KEY, Progress

Config = Mapping[str, Any]
# What a recommendation without items holds.
NO_ITEMS = b'"items":[]'


class Pass:
    """Reads a topic once, up to the end that it has at the start."""

    def __init__(self, config: Config, topic: str) -> None:
        self._reader = Reader(config, topic)
        bounds = self._reader.bounds()
        # By partition: the first offset after the reading, and one past the last before it.
        self.begins = {partition: begin for partition, (begin, _) in bounds.items()}
        self.ends = {partition: end for partition, (_, end) in bounds.items()}

    def chunks(self) -> Iterator[list[Message]]:
        """All records, once."""
        try:
            yield from self._reader.to_end()
            # Retention may have come in between.
            self.begins = {partition: begin for partition, (begin, _) in self._reader.bounds().items()}
        finally:
            self._reader.close()


def source(config: Config, topic: str) -> dict[Partition, SourcePartition]:
    """The offsets that a raw source holds."""
    reading = Pass(config, topic)
    found = {number: SourcePartition(0, end) for number, end in reading.ends.items()}
    for messages in reading.chunks():
        for message in messages:
            found[message.partition()].present.add(message.offset())
    for number, partition in found.items():
        partition.begin = reading.begins[number]
    return {(topic, number): partition for number, partition in found.items()}


def canonical(
    config: Config, topic: str, known: Mapping[int, Progress], ingest: Ingest, actions: Actions, books: Books
) -> dict[int, CanonicalPartition]:
    """Read the canonical topic. known: the progress records, by partition."""
    reading = Pass(config, topic)
    found = {number: CanonicalPartition() for number in reading.begins}
    where = {number: (topic, number) for number in found}
    covers = {number: known[number].offset if number in known else -1 for number in found}
    for messages in reading.chunks():
        books.canonical += len(messages)
        for message in messages:
            number = message.partition()
            if message.offset() <= covers[number]:
                found[number].covered += 1
            else:
                found[number].unread += 1
            if not ingest.canonical(canonical_origin(message.headers()), where[number]):
                books.canonical_direct += 1
            actions.add(message.value())
    for number, partition in found.items():
        partition.begin = reading.begins[number]
    return found


def rejected(config: Config, topic: str, ingest: Ingest, refused: RefusedItems) -> None:
    """Read the rejected topic: records of the raw sources and of the catalog."""
    reading = Pass(config, topic)
    for messages in reading.chunks():
        for message in messages:
            if (found := rejected_origin(message.headers())) is not None:
                ingest.rejected(*found, (topic, int(message.partition() or 0)))
                refused.add(*found)
    ingest.cut(topic, reading.begins)


def items(config: Config, topics: TopicSettings, found: Items, books: Books) -> None:
    """Read the items topic, and compare it with the embeddings."""
    for messages in Pass(config, topics.items).chunks():
        for message in messages:
            found.add(Record.of(message))
    embedded = NewestValues()
    for messages in Pass(config, topics.embeddings).chunks():
        for message in messages:
            embedded.put(message.key(), embedding_kind(message.value(), message.headers()))
    found.enter(topics.items, embedded, books)


def progress_by_partition(config: Config, topic: str, books: Books) -> dict[int, Progress]:
    """The newest progress record of each partition of the state topic; also books how many users there are."""
    users, newest = DistinctKeys(), dict[int, Progress]()
    for messages in Pass(config, topic).chunks():
        for message in messages:
            partition, key, value = message.partition(), message.key(), message.value()
            if value is not None and key == PROGRESS_KEY:
                newest[partition] = Progress.newest(newest.get(partition), value)
            elif value is not None and key not in CONTROL_KEYS:
                users.add(key, partition)
    books.users = len(users)
    return newest


def outputs(config: Config, topics: TopicSettings, books: Books) -> None:
    """Count what was published."""
    vectors, recommended = DistinctKeys(), NewestValues()
    for messages in Pass(config, topics.vectors).chunks():
        books.vector_records += len(messages)
        for message in messages:
            vectors.add(message.key())
    for messages in Pass(config, topics.recommendations).chunks():
        books.recommendation_records += len(messages)
        for message in messages:
            recommended.put(message.key(), NO_ITEMS in (message.value() or NO_ITEMS))
    books.vector_users = len(vectors)
    books.recommendation_users, books.recommendation_users_empty = len(recommended), recommended.count(True)
