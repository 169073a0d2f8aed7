"""A worker of the model: the real stages, publisher and recovery, driven step by step instead of by Faust."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.flow.future import Future as Horizon
from streams.kafka.member.batches import RecordBatch
from streams.kafka.member.consumer import Consumer
from streams.kafka.member.uncommitted import Uncommitted
from streams.kafka.topics.record_bounds import KAFKA_DEFAULT
from streams.state.changelog import CONTROL_KEYS
from streams.state.users.partition import UserPartition
from streams.worker.guard import others
from streams.worker.publishing import Publisher
from streams.worker.stages.recommend import Recommend
from streams.worker.stages.update import Update
from tests.faults.model import Broker, Outbox, Task
from tests.faults.model_parts import (
    ENCODER,
    SOURCE,
    TOPIC,
    item_vector,
    kit,
    new_flow,
    recovered,
)

EVENTS = TP(TOPIC, 0)


MOST_IN_FLIGHT = 4
ITEM_PARTITIONS = 2


class Worker:
    """One process; `join` makes it the owner of the partition."""

    def __init__(self, broker: Broker, window: int) -> None:
        """window: event ids per user."""
        settings, _ = kit(window, learns := broker.rules.learns)
        self.broker, self.flow, self.outbox = broker, new_flow(window, learns), Outbox(broker, settings)
        self.publisher = Publisher(settings.topics, self.flow, self.outbox, False, learns)  # type: ignore[arg-type]  # nobody closes it
        if self.publisher.signals is not None:
            self.publisher.signals.partitions = ITEM_PARTITIONS
        self.update = Update(self.flow, ENCODER, Horizon(lambda: 0.0, 0.0))
        self.flow.reads_from(SOURCE)
        topic = settings.topics.recommendations
        self.recommending = Recommend(self.flow, topic, 0.0, lambda: 0.0, lambda: KAFKA_DEFAULT)
        self.commits = SimpleNamespace(
            _uncommitted=Uncommitted(), _acked={EVENTS: []}, _acked_index=defaultdict(set)
        )
        self.unacked: list[tuple[RecordBatch, Future[None]]] = []
        self.tasks: dict[str, Task] = {}
        self.learnt = [0, 0]
        self.position = 0
        self.ready = False

    @property
    def part(self) -> UserPartition:
        """The state it holds."""
        return self.flow.partitions[0]

    @property
    def owns(self) -> bool:
        """True for the rightful owner."""
        return self.outbox.epoch == self.broker.owner

    # --- membership -----------------------------------------------------------------------------------

    def join(self) -> None:
        """Take the partition over."""
        self.broker.epochs += 1
        self.broker.owner = self.outbox.epoch = self.broker.epochs
        self.ready = False
        self.tasks.pop("republish", None)
        self.flow.partitions.clear()
        for which in (0, 1):
            self._put_items(which)
        self.tasks["start"] = Task(self._start())

    def _start(self) -> Iterator[Any]:
        """As `streams.worker.worker` does it after a rebalance, before any event flows."""
        broker, epoch = self.broker, self.outbox.epoch
        claimed = self.publisher.write_owner_records([0], "model")
        yield claimed
        part = recovered(broker, self.flow, claimed.result()[0])
        if broker.committed > part.processed_offset + 1:
            broker.problems.append(f"committed {broker.committed}, recovered {part.processed_offset}")
        self._install(part)
        if not broker.rules.repair:
            part.stale = part.stale[:0]
        yield from self.publisher.take_over()
        if broker.owner == epoch:
            broker.settle(part.deliveries.read_to)
        while "release" in self.tasks:
            yield None
        yield from self._apply_waiting()
        self.ready = True

    def _install(self, part: UserPartition) -> None:
        """Take a state, and seek to where it says; what was in flight is forgotten."""
        self.flow.partitions.clear()
        self.flow.partitions[0] = part
        self.position, self.unacked = part.resume_offset, []
        self.commits._uncommitted.clear()
        self.commits._acked[EVENTS].clear()
        self.commits._acked_index.clear()
        self.commits._uncommitted.resume(EVENTS, self.position)

    def look(self) -> bool:
        """See what others wrote since the last look, as `streams.worker.guard` does; false where nothing."""
        if "republish" in self.tasks:
            return False
        broker, deliveries = self.broker, self.part.deliveries
        deliveries.observe_end(broker.end)
        gaps = list(deliveries.gaps)
        deliveries.gaps.clear()
        if gaps and broker.rules.republish:
            between = [e for e in broker.changelog for begin, end in gaps if begin <= e.offset < end]
            found = set(others([(e.key, e.value) for e in between], self.part.layout, deliveries.epoch))
            self.tasks["republish"] = Task(self._republish(found, gaps[-1][1]))
        elif self.owns:
            broker.settle(deliveries.next)
        return bool(gaps)

    def _republish(self, keys: set[bytes], covered: int) -> Iterator[Any]:
        part, epoch = self.part, self.outbox.epoch
        yield None  # while the changelog is read
        if keys:
            yield self.publisher.write_again(part, {key.decode() for key in keys - CONTROL_KEYS})
        if self.broker.owner == epoch:
            self.broker.settle(covered)

    # --- what it does all day -------------------------------------------------------------------------

    def fold(self, count: int) -> bool:
        """Fold the next records and hand over what they change; false where that cannot be."""
        records = self.broker.source[self.position : self.position + count]
        if not records or len(self.unacked) >= MOST_IN_FLIGHT:
            return False
        decoded = self.flow.decode(records)
        outputs = self.update.fold(0, decoded, ENCODER.encode(decoded.texts()))
        delivered = self.publisher.publish("update", outputs)
        if not self.broker.rules.awaited:
            delivered = Future()
            delivered.set_result(None)
        self.position += len(records)
        batch = self.commits._uncommitted.enter(EVENTS, records, None)
        self.unacked.append((batch, delivered))
        return True

    def ack(self) -> bool:
        """Acknowledge what is delivered, and commit; the group takes no commit but its owner's."""
        done = [(batch, delivered) for batch, delivered in self.unacked if delivered.done()]
        self.unacked = [pair for pair in self.unacked if pair not in done]
        for batch, _ in done:
            self.commits._acked[EVENTS].append(batch.last_offset)
            self.commits._acked_index[EVENTS].add(batch.last_offset)
        if self.owns:
            offset = Consumer._new_offset(self.commits, EVENTS)
            if done and not self.broker.rules.in_order:
                offset = max(batch.last_offset for batch, _ in done) + 1
            if offset is not None:
                self._commit(offset)
        return bool(done)

    def _commit(self, offset: int) -> None:
        self.broker.committed = offset
        open_batches = [batch.last_offset for batch, _ in self.unacked if batch.last_offset < offset]
        if open_batches:
            self.broker.problems.append(f"committed {offset}, but {open_batches} are not delivered")

    def learn(self, which: int) -> None:
        """Read on in a partition of the embeddings; events that waited are applied."""
        self._put_items(which)
        if "release" not in self.tasks and self.flow.partitions:
            self.tasks["release"] = Task(self._apply_waiting())

    def _put_items(self, which: int) -> None:
        items = self.broker.embeddings[which]
        for item_id in items[self.learnt[which] :]:
            self.flow.catalog.put(item_id, item_vector(item_id))
        self.learnt[which] = len(items)

    def _apply_waiting(self) -> Iterator[Any]:
        for partition, decoded in self.flow.ready_events().items():
            yield None  # while texts are encoded
            texts = ENCODER.encode(decoded.texts())
            yield self.publisher.publish("update", self.update._apply(partition, decoded, texts))

    def recommend(self) -> bool:
        """Begin to recommend to whoever is due; false where nobody is."""
        if "recommend" in self.tasks or not self.part.due:
            return False
        self.tasks["recommend"] = Task(self._recommend())
        return True

    def _recommend(self) -> Iterator[Any]:
        rows, outputs = self.recommending.start(0)
        if not rows:
            return
        yield self.publisher.publish("recommend", outputs)
        if (made := self.recommending.finish(0, rows)) is not None:
            self.publisher.publish("recommend", made)

    def step(self, name: str) -> None:
        """Let a task go on."""
        task = self.tasks[name]
        task.step()
        if task.over:
            del self.tasks[name]
