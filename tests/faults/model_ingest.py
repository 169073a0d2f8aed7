"""Ingest in one process, step by step: sources, workers that are killed, paused and replaced, canonical partitions.

The stage, its headers and the fold are the real code. A worker's records lie in lanes, one per canonical partition,
until a schedule delivers them; what is on its way when a worker dies is lost from some record on, and what a paused
worker held, or still ingests, comes between and behind the records of whoever took over.
"""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson

from sinks.base import TopicRecords
from streams.events.adapters import adapter
from streams.events.rejections import Limits
from streams.flow.future import Future as Horizon
from streams.kafka.member.batches import RecordBatch
from streams.kafka.topics.limits import Rooms
from streams.worker.stages.ingest import Ingest
from tests.streams.flows import T0, Record

EVENTS_ID = "events-1"
EVENTS_TOPIC = "behavior.events.v1"
HORIZON = Horizon(lambda: T0, 0.0)
Place = tuple[str, int]  # source topic and partition


@dataclass(frozen=True, slots=True)
class Rules:
    """What ingest does to be right; each can be switched off, to see that it is needed.

    gapless: once the broker has refused a record, the partition gets nothing that came behind it. awaited: an offset
    is committed once all before it is delivered. ids: a source that is made anew has another id. seeks: an assignment
    begins at the beginning where nothing is committed, and not behind what a fetch took meanwhile and was dropped.
    """

    gapless: bool = True
    awaited: bool = True
    ids: bool = True
    seeks: bool = True


@dataclass(slots=True)
class Source:
    """A topic of one partition count. made: how often it has been made; begin: first offset by partition."""

    name: str
    records: list[list[Record]]
    made: int = 1
    begin: list[int] = field(default_factory=list)

    @property
    def topic_id(self) -> str:
        """Changes when the topic is made anew."""
        return f"{self.name}-{self.made}"


@dataclass(slots=True)
class Cluster:
    """The topics, and what each group has committed."""

    rules: Rules
    sources: dict[str, Source]
    canonical: list[list[Record]]
    committed: dict[tuple[int, Place], int] = field(default_factory=dict)
    owner: dict[int, int] = field(default_factory=dict)  # group -> epoch of its rightful member
    epochs: int = 0
    # Ids of the events that a source has held; of these, those that were removed before anybody read them.
    written: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    removed: set[str] = field(default_factory=set)

    def start(self, group: int, place: Place) -> int:
        """Where a member of a group begins to read a source partition."""
        return max(self.committed.get((group, place), 0), self.sources[place[0]].begin[place[1]])

    def append(self, partition: int, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """Make a canonical record durable."""
        log = self.canonical[partition]
        log.append(Record(value, len(log), key, EVENTS_TOPIC, partition, headers=list(headers)))


class Outbox:
    """A sink whose records stay until delivered, in order within each canonical partition."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.rooms = cluster, Rooms()
        self.lanes: list[deque[tuple[Any, ...]]] = [deque() for _ in cluster.canonical]

    def publish(self, groups: Sequence[TopicRecords]) -> Future[None]:
        """See Log; a batch of nothing is delivered at once."""
        delivered: Future[None] = Future()
        left = [sum(len(group.records) for group in groups), delivered]
        for group in groups:
            headers = group.headers or [()] * len(group.records)
            for (key, value), about in zip(group.records, headers, strict=True):
                lane = zlib.crc32(key or b"") % len(self.lanes)
                self.lanes[lane].append((key, value, about, left))
        if not left[0]:
            delivered.set_result(None)
        return delivered

    def deliver(self, lane: int, count: int) -> None:
        """The first records of a lane become durable."""
        queue = self.lanes[lane]
        for _ in range(min(count, len(queue))):
            key, value, about, left = queue.popleft()
            self.cluster.append(lane, key, value, about)
            left[0] -= 1
            if not left[0]:
                left[1].set_result(None)

    def refuse(self, lane: int, place: int) -> None:
        """The broker takes the lane's records before this place and not this one: nor, if gapless, one behind it."""
        self.deliver(lane, place)
        if self.cluster.rules.gapless:
            self.lanes[lane].clear()
        else:
            self.lanes[lane].popleft()

    def full(self) -> list[int]:
        """Lanes with records on their way."""
        return [lane for lane, queue in enumerate(self.lanes) if queue]


class Worker:
    """One process that ingests all partitions of the sources for one group (a generation)."""

    def __init__(self, cluster: Cluster, group: int, taken: Callable[[], int] = lambda: 0) -> None:
        """taken: how many records of a partition a fetch took while the assignment came, which are dropped."""
        self.cluster, self.group = cluster, group
        cluster.epochs += 1
        self.epoch = cluster.owner[group] = cluster.epochs
        self.outbox = Outbox(cluster)
        adapters = {name: adapter("native") for name in cluster.sources}
        self.stage = Ingest(EVENTS_TOPIC, adapters, Limits(), HORIZON, lambda: self.outbox.rooms.events)
        ids = {n: s.topic_id if cluster.rules.ids else n for n, s in cluster.sources.items()}
        self.stage.reads_from(ids, EVENTS_ID)
        places = [(n, p) for n, s in cluster.sources.items() for p in range(len(s.records))]
        self.positions = {place: cluster.start(group, place) for place in places}
        for place in places:
            dropped = taken()
            if not cluster.rules.seeks and (group, place) not in cluster.committed:
                self.positions[place] += dropped
        self.unacked: dict[Place, deque[tuple[int, Future[None]]]] = defaultdict(deque)

    @property
    def owns(self) -> bool:
        """True for the rightful member of its group."""
        return self.cluster.owner.get(self.group) == self.epoch

    def ingest(self, place: Place, count: int) -> bool:
        """Ingest the next records of a source partition; false where there are none."""
        topic, partition = place
        if place not in self.positions:
            return False
        at = self.positions[place]
        records = self.cluster.sources[topic].records[partition][at : at + count]
        if not records:
            return False
        batch = RecordBatch(topic, partition, records)
        delivered = self.outbox.publish(self.stage.start(batch).groups)
        self.positions[place] = batch.last_offset + 1
        self.unacked[place].append((batch.last_offset + 1, delivered))
        return True

    def commit(self, place: Place) -> None:
        """Commit up to the first batch that is not delivered; the group takes no commit but its member's."""
        waiting, offset = self.unacked[place], None
        while waiting and (waiting[0][1].done() or not self.cluster.rules.awaited):
            offset = waiting.popleft()[0]
        if offset is not None and self.owns:
            self.cluster.committed[self.group, place] = offset


def source_record(topic: str, partition: int, offset: int, number: int, user: str, products: int) -> Record:
    """A native record, numbered by source topic, so that the ids of two topics are alike.

    products: of an order, each an event of its own; 1 for an event that is none; 0 for what is no event.
    """
    event: dict[str, Any] = {"event_id": number, "user_id": user, "timestamp": T0 + number * 1000}
    event |= {"item_id": f"i{number % 8}", "action": "click"}
    if products > 1:
        items = [{"item_id": f"i{(number + n) % 8}", "quantity": 1} for n in range(products)]
        event = {**event, "action": "purchase", "products": items}
        del event["item_id"]
    value = orjson.dumps(event) if products else b"no event"
    return Record(value, offset, user.encode(), topic, partition)


def names(record: Record) -> set[str]:
    """Of a source's record: its events, as `event_name` has them."""
    if record.value == b"no event":
        return set()
    event = orjson.loads(record.value or b"")
    several = range(len(event.get("products", ())))
    ids = [f"{event['event_id']}#{n}" for n in several] or [event["event_id"]]
    return {f"{record.topic} {one}" for one in ids}


def event_name(record: Record) -> str:
    """Of a canonical record: its source topic and its id there."""
    event = SimpleNamespace(**orjson.loads(record.value or b""))
    topic = dict(record.headers)["interestflow.origin"].decode().split("/")[0]
    return f"{topic} {event.event_id}"
