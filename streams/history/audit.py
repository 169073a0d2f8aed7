"""The books: every record read has exactly one outcome, and the topics prove it.

Ingest: each record of a raw source becomes canonical events or rejections, which carry its origin in their headers.
A record that a crash made a worker write twice is a repeat, not a second event.

Update: each canonical event is applied, applied late, a repeat (of an origin), a duplicate (of an event id), neutral
(nothing to learn from), rejected, waiting for its item, dropped from an overfull waiting list, or recovered. Recovered
events are in the state of a worker that ended before it could write their outcome: applied, late, neutral or a
duplicate. The counts are in the progress records of the changelog, so they are as durable as the states.

Catalog: see `streams.history.books.catalog`.

The topics are read in such an order that each holds at least what the ones before it claim. So a worker that runs
meanwhile makes nothing missing: what it has not read yet is reported as not ingested, or unread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka.admin import AdminClient

from streams.events.rejections import Reason
from streams.history.books import topics_read
from streams.history.books.asked import compacted, read_so_far
from streams.history.books.catalog import Items, RefusedItems
from streams.history.books.events import Actions, balance_events, enter_progress
from streams.history.books.ledger import OUTCOMES, Books
from streams.history.books.offsets import HIGHEST
from streams.history.books.shown import show
from streams.history.books.sources import Ingest, Partition, SourcePartition
from streams.kafka.clients import client_config
from streams.kafka.topics.admin import TopicAdmin
from streams.kafka.topics.ids import ids_now
from streams.settings.settings import Settings
from streams.state.changelog import Progress
from streams.wiring.app import build_limits

__all__ = ["OUTCOMES", "Books", "audit", "show"]

ProgressByPartition = dict[int, Progress]


def audit(settings: Settings) -> Books:
    """Read the topics of a deployment. Raises ReadError, TopicError."""
    topics = settings.topics
    client = TopicAdmin(settings.kafka, topics.group)
    metadata = client.topics()  # says within seconds, and by name, that there is no broker
    config, books = client_config(settings), Books()
    raw = [source.topic for source in topics.raw_sources]
    ids = ids_now(AdminClient(config), [*raw, topics.canonical, topics.items])
    offsets = read_so_far(config, topics.group, metadata, {*raw, topics.items}, ids)
    anywhere, books.notes = compacted(client, [*raw, topics.canonical])
    progress_by_partition = topics_read.progress_by_partition(config, topics.state, books)
    enter_progress(progress_by_partition, books)
    sources = _sources(config, raw, offsets, anywhere)
    ingest = Ingest({topic: ids[topic] for topic in raw})
    _events(settings, progress_by_partition, ingest, topics.canonical in anywhere, books)
    refused = RefusedItems(topics.items)
    topics_read.rejected(config, topics.rejected, ingest, refused)
    _ingested(ingest, sources, books)
    read = {partition: offset for (topic, partition), offset in offsets.items() if topic == topics.items}
    topics_read.items(config, topics, Items(refused, read, build_limits(settings.limits)), books)
    topics_read.outputs(config, topics, books)
    return books


def _sources(
    config: Mapping[str, Any], raw: Sequence[str], offsets: dict[Partition, int], anywhere: set[str]
) -> dict[Partition, SourcePartition]:
    sources: dict[Partition, SourcePartition] = {}
    for topic in sorted(raw):
        sources |= topics_read.source(config, topic)
    for where, source in sources.items():
        source.committed, source.compacted = offsets.get(where), where[0] in anywhere
    return sources


def _events(
    settings: Settings,
    progress_by_partition: ProgressByPartition,
    ingest: Ingest,
    anywhere: bool,
    books: Books,
) -> None:
    actions = Actions(settings.weights.action_rules)
    config, topic = client_config(settings), settings.topics.canonical
    partitions = topics_read.canonical(config, topic, progress_by_partition, ingest, actions, books)
    balance_events(topic, partitions, progress_by_partition, anywhere, books)
    ingest.cut(topic, {number: HIGHEST if anywhere else found.begin for number, found in partitions.items()})
    actions.enter(books)


def _ingested(ingest: Ingest, sources: dict[Partition, SourcePartition], books: Books) -> None:
    for where, source in sources.items():
        ingest.balance(where, source, books)
    books.not_ingested = {topic: count for topic, count in books.not_ingested.items() if count}
    books.forgotten = {topic: count for topic, count in books.forgotten.items() if count}
    books.repeats = ingest.repeats()
    books.canonical_repeats, books.rejected_repeats = sum(books.repeats.values()), ingest.rejected_repeats
    books.rejected = ingest.reasons()
    books.without_user = books.rejected.pop(Reason.MISSING_USER.value, 0)
