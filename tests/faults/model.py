"""A broker and workers in one process, one step at a time, for schedules that no real cluster would play.

State, changelog, recovery, releases, recommendations and commits are the real code, under a sink that keeps
records until a schedule delivers them, one by one: what is on its way when a worker dies is lost from some record
on, and what a paused worker held comes behind the records of whoever took over.
"""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sinks.base import TopicRecords
from streams.settings.settings import Settings
from tests.streams.flows import Record

VECTOR_PARTITIONS = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment does to be right; each can be switched off, to see that it is needed.

    republish: an owner that sees records of others behind its own writes those users again. repair: a recovery
    does likewise where the newest record of a key is not its last. long_lag: the compaction lag is longer than a
    pause. awaited: nothing counts as delivered before it is. in_order: batches are committed up to the first that
    is not acknowledged. gapless: once the broker has refused a record, it gets nothing that came behind it.
    refuses: whether the broker ever refuses one. learns: what events say of items is published, too.
    """

    republish: bool = True
    repair: bool = True
    long_lag: bool = True
    awaited: bool = True
    in_order: bool = True
    gapless: bool = True
    refuses: bool = True
    learns: bool = False


class Entry(NamedTuple):
    """A changelog record. epoch: which membership of which worker wrote it. came: when it became durable."""

    offset: int
    epoch: int
    key: bytes
    value: bytes
    came: int


@dataclass(slots=True)
class Broker:
    """The topics. lag: compaction leaves records alone that have not been there for longer."""

    lag: int
    rules: Rules
    now: int = 0
    end: int = 0  # of the changelog
    committed: int = 0
    epochs: int = 0
    owner: int = 0  # the epoch of the rightful owner; 0 while there is none
    source: list[Record] = field(default_factory=list)
    # The item ids in each partition of the topic of embeddings: workers read them in different orders.
    embeddings: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    changelog: list[Entry] = field(default_factory=list)
    # What events say of items, by partition of items.
    signals: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    outputs: dict[str, list[tuple[bytes, bytes]]] = field(default_factory=lambda: defaultdict(list))
    # Changelog records that were not the owner's, by offset, with the time; until a re-publish has covered them.
    foreign: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def append(self, lane: str, epoch: int, key: bytes, value: bytes, headers: Sequence[Any] = ()) -> int:
        """Make a record durable; returns its offset, which counts in the changelog alone."""
        if lane.startswith("signals/"):
            log = self.signals[int(lane.partition("/")[2])]
            log.append(Record(value, len(log), headers=list(headers)))
            return -1
        if lane != "state":
            self.outputs[lane.partition("/")[0]].append((key, value))
            return -1
        if epoch != self.owner:
            self.foreign[self.end] = self.now
        self.changelog.append(Entry(self.end, epoch, key, value, self.now))
        self.end += 1
        return self.end - 1

    def compact(self) -> None:
        """Keep the last record of each key among those that are old enough, and all behind them."""
        young = (i for i, entry in enumerate(self.changelog) if entry.came > self.now - self.lag)
        border = next(young, len(self.changelog))
        ripe = self.changelog[:border]
        last = {entry.key: entry.offset for entry in ripe}
        self.changelog[:border] = [entry for entry in ripe if last[entry.key] == entry.offset]

    def settle(self, covered: int) -> None:
        """Whatever others wrote below this offset has been written again."""
        for offset in [offset for offset in self.foreign if offset < covered]:
            del self.foreign[offset]


class Outbox:
    """A sink whose records stay until delivered. Each lane, a partition of a topic, has an order; all have none."""

    def __init__(self, broker: Broker, topics: Settings) -> None:
        self.broker, self.epoch = broker, 0
        self.lanes: dict[str, deque[tuple[int, bytes, bytes, int, list[Any], Sequence[Any]]]] = defaultdict(
            deque
        )
        self._lane_of = {
            topics.topics.state: "state",
            topics.topics.vectors: "vectors",
            topics.topics.rejected: "rejected",
            topics.topics.recommendations: "recommendations",
            topics.topics.item_signals: "signals",
            topics.topics.items_state: "state",
            topics.topics.learned: "learned",
        }

    def publish(self, groups: Sequence[TopicRecords]) -> Future[Sequence[int]]:
        """See Log."""
        delivered: Future[Sequence[int]] = Future()
        offsets = [-1] * len(groups)
        left = [sum(len(group.records) for group in groups), delivered, offsets]
        for number, group in enumerate(groups):
            lane = self._lane_of[group.topic]
            headers = group.headers or [()] * len(group.records)
            for (key, value), about in zip(group.records, headers, strict=True):
                if lane == "rejected":  # what counts is which record it was
                    key = dict(about)["__connect.errors.offset"]
                own = f"signals/{group.partition}" if lane == "signals" else lane
                own = f"vectors/{zlib.crc32(key or b'') % VECTOR_PARTITIONS}" if lane == "vectors" else own
                self.lanes[own].append((self.epoch, key or b"", value or b"", number, left, about))
        if not left[0]:
            delivered.set_result(offsets)
        return delivered

    def deliver(self, lane: str, count: int) -> None:
        """The first records of a lane become durable, in order."""
        queue = self.lanes[lane]
        for _ in range(min(count, len(queue))):
            epoch, key, value, number, left, about = queue.popleft()
            left[2][number] = self.broker.append(lane, epoch, key, value, about)
            left[0] -= 1
            if not left[0]:
                left[1].set_result(left[2])

    def refuse(self, lane: str, place: int) -> None:
        """The broker takes the lane's records before this place, and not this one: nor, if gapless, one behind it."""
        self.deliver(lane, place)
        if self.broker.rules.gapless:
            self.lanes[lane].clear()
        else:
            self.lanes[lane].popleft()

    def full(self) -> list[str]:
        """Lanes with records on their way."""
        return [lane for lane, queue in self.lanes.items() if queue]


class Task:
    """Work that waits for deliveries in between: yields a future to wait for, or None to let others go first."""

    def __init__(self, steps: Iterator[Any]) -> None:
        self._steps, self._awaited, self.over = steps, None, False

    def step(self) -> None:
        """Go on, where nothing is to be waited for."""
        if self._awaited is not None and not self._awaited.done():
            return
        try:
            self._awaited = next(self._steps)
        except StopIteration:
            self.over = True
