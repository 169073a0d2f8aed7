"""Replays history through the same flow, in one process, without consumer group, agents or state topic.

With the same item vectors, the vectors of a replay equal the published ones bit for bit: see `verify`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka.admin import AdminClient

from encoders.core.base import Encoder
from streams.catalog.updater import CatalogUpdater
from streams.events.provenance import REFUSED_BY, refused_by
from streams.events.records import Record, SourceRecord
from streams.events.rejections import Reason
from streams.flow.encoding import Scoring
from streams.flow.flow import Flow
from streams.flow.outputs import ORDER
from streams.flow.vector_formats import read_vectors
from streams.history.books.origins import rejected_origin
from streams.history.books.waiting import waiting_offsets
from streams.interest.base import Floats, Longs
from streams.kafka.clients import client_config
from streams.kafka.log_bounds import log_starts
from streams.kafka.reading import read_all
from streams.kafka.topics.admin import TopicAdmin
from streams.kafka.topics.specifications import partition_count
from streams.ops.log_lines import without_log
from streams.settings.sections.topics import TopicSettings
from streams.settings.settings import Settings
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow, state_space
from streams.wiring.encoder import build_encoder, build_scoring
from streams.worker.recovery import topic_identity

# Another size than any live batch: the result must not depend on it.
BATCH = 1009
# An id that no item can have.
NOWHERE = "\x00"
NOTHING_WAITS: Mapping[int, Longs] = {}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a replay compares with what was published."""

    users: int
    events: int
    # Users whose vectors are not bit for bit equal.
    differing: list[str]
    # Users with a vector on one side only.
    missing: list[str]
    # First offset of each partition of the canonical topic whose beginning is gone: nothing can replay it.
    begins: Mapping[int, int]

    @property
    def equal(self) -> bool:
        """True where every user's vector was reproduced."""
        return not self.differing and not self.missing


def replay(
    flow: Flow,
    encoder: Encoder,
    records: Iterable[SourceRecord],
    scoring: Scoring | None = None,
    waiting: Mapping[int, Longs] = NOTHING_WAITS,
) -> Iterator[tuple[bytes, bytes]]:
    """Fold records, in offset order per partition, and yield each vector record as it comes, (key, value).

    waiting: by partition, offsets of events that wait for their item whatever the catalog holds.
    """
    pending: dict[int, list[SourceRecord]] = defaultdict(list)
    for record in records:
        own = pending[record.partition]
        own.append(record)
        if len(own) == BATCH:
            yield from _fold(flow, encoder, scoring, record.partition, own, waiting)
            pending[record.partition] = []
    for partition, rest in pending.items():
        if rest:
            yield from _fold(flow, encoder, scoring, partition, rest, waiting)


def _fold(
    flow: Flow,
    encoder: Encoder,
    scoring: Scoring | None,
    partition: int,
    records: list[SourceRecord],
    waiting: Mapping[int, Longs],
) -> list[tuple[bytes, bytes]]:
    if partition not in flow.partitions:
        flow.partitions[partition] = UserPartition(partition, flow.layout)
    decoded = flow.decode(records)
    for index in np.flatnonzero(np.isin(decoded.offsets, waiting.get(partition, ()))).tolist():
        decoded.events.set_item(index, NOWHERE)
    return flow.update(partition, decoded, Flow.encode(encoder, decoded, scoring)).vectors


def replay_topic(settings: Settings) -> tuple[dict[bytes, Any], int]:
    """Replay the canonical topic with the current embeddings; returns the newest vector record per user, and the
    number of events."""
    # This says within seconds, and by name, that there is no broker.
    TopicAdmin(settings.kafka, settings.topics.group).topics()
    config = client_config(settings)
    encoder, scoring = build_encoder(settings), build_scoring(settings)
    # In full precision, whatever is published.
    plain = settings.model_copy(update={"vector_format": "base64"})
    flow = build_flow(plain, state_space(encoder, scoring))
    flow.reads_from(topic_identity(AdminClient(without_log(config)), settings.topics.canonical))
    catalog_updater = CatalogUpdater(flow.catalog, encoder, flow.options.limits)
    for messages in read_all(config, settings.topics.embeddings):
        catalog_updater.learn(messages)
    left_out = refused_for_their_time(config, settings.topics, flow.source.topic_id)
    records = (
        r for r in _records(config, settings.topics.canonical) if (r.partition, r.offset) not in left_out
    )
    # An event before the removal of its item was applied; one after it waits in the states.
    waiting = waiting_offsets(settings) if flow.catalog.recall_removed() else NOTHING_WAITS
    newest = dict(replay(flow, encoder, records, scoring, waiting))
    events = sum(part.books["read"] for part in flow.partitions.values())
    return {key: read_vectors(value) for key, value in newest.items()}, events


def refused_for_their_time(
    config: dict[str, Any], topics: TopicSettings, canonical_topic_id: str
) -> set[tuple[int, int]]:
    """Partition and offset of the canonical events that this generation's workers rejected as from the future.

    Their time may be past by now, so a replay follows what the workers decided.
    """
    ours = (REFUSED_BY, refused_by(topics.group, canonical_topic_id))
    found: set[tuple[int, int]] = set()
    for messages in read_all(config, topics.rejected):
        for message in messages:
            headers = message.headers() or []
            if ours not in headers or (rejected := rejected_origin(headers)) is None:
                continue
            origin, reason = rejected
            if reason == Reason.TIMESTAMP_IN_FUTURE and origin.topic == topics.canonical:
                found.add((origin.partition, origin.offset))
    return found


def verify(settings: Settings) -> Verdict:
    """Replay and compare with the newest published vector of each user, bit for bit."""
    replayed, events = replay_topic(settings)
    published = newest_published(settings)
    differing = [
        key.decode()
        for key, record in replayed.items()
        if key in published and not _same(record["vectors"], published[key]["vectors"])
    ]
    missing = [key.decode() for key in replayed.keys() ^ published.keys()]
    return Verdict(len(replayed), events, differing, missing, cut_beginnings(settings))


def cut_beginnings(settings: Settings) -> dict[int, int]:
    """First offset of each partition of the canonical topic of which records were removed."""
    topic = settings.topics.canonical
    admin = AdminClient(without_log(client_config(settings)))
    starts = log_starts(admin, [(topic, number) for number in range(partition_count(settings, topic))])
    return {number: start for (_, number), start in sorted(starts.items()) if start > 0}


def newest_published(settings: Settings) -> dict[bytes, Any]:
    """The vector record of each user with the highest generation, count, epoch, offset and version."""
    newest: dict[bytes, Any] = {}
    for messages in read_all(client_config(settings), settings.topics.vectors):
        for message in messages:
            if message.value() is None:
                continue
            record = read_vectors(message.value(), message.headers())
            known = newest.get(message.key())
            if known is None or _order(record) >= _order(known):
                newest[message.key()] = record
    return newest


def _same(replayed: Floats, published: npt.NDArray[np.floating]) -> bool:
    """Bit for bit, in the precision in which it was published."""
    return replayed.astype(published.dtype).tobytes() == published.tobytes()


def _order(record: Mapping[str, Any]) -> tuple[int, ...]:
    # Records of earlier versions have no epoch.
    return tuple(record.get(name, -1) for name in ORDER)


def _records(config: dict[str, Any], topic: str) -> Iterator[SourceRecord]:
    for messages in read_all(config, topic):
        for message in messages:
            yield Record.of(message)
