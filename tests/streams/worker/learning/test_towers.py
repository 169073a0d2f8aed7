"""What workers learn of items' two-tower vectors is told, added up by the items' owners, and followed by all."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from sinks.memory import MemoryLog
from streams.catalog.learned_towers import TOWERS_KEY
from streams.events.records import Record
from streams.flow.learning.tower_records import TowerWriter
from streams.items.towers import space_of
from streams.kafka.member.batches import RecordBatch
from streams.ops.metrics import Metrics
from streams.recommend.catalog import Catalog
from streams.recommend.towers.item_towers import ItemTowers
from streams.settings.settings import Settings
from streams.state.changelog import TopicIdentity
from streams.state.items.layout import ItemLayout
from streams.state.items.partition import ItemPartition
from streams.state.restore import Restoring
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.learning.following import LearnedFollower
from streams.worker.learning.towers import SharedTowers
from streams.worker.stages.learn import Learn
from streams.worker.threads import ModelThread
from tests.streams.recommend.towers.test_item_towers import catalog, squares, teach, vectors
from tests.streams.worker.learning.test_flushing import Message, Table

TOPICS, SPACE = Settings().topics, space_of("an encoder")
SIGNALS = TopicIdentity("signals", 1, "its-id")


class Worker:
    """The parts of a worker that concern its vectors, on topics in memory; `take` makes it the owner of all items."""

    def __init__(self, log: MemoryLog, name: str, items: Catalog | None = None, space: int = SPACE) -> None:
        self.log, self.space, self.towers = log, space, ItemTowers()
        self.catalog = items or catalog()
        self.towers.follow(self.catalog)
        self.shared = SharedTowers(
            self.towers, self.catalog, log, TowerWriter(TOPICS.item_signals, space, name), TOPICS.generation
        )
        self.learn = Learn()
        self.flusher = ItemFlusher(TOPICS, self.learn, log, ModelThread(), 1.0, towers=self.shared)
        self.flusher.source = SIGNALS
        nothing: Any = None
        self.follower = LearnedFollower(
            *("t", nothing, nothing, nothing, Table(), Metrics(), lambda: 0.0, None, self.shared)
        )
        self.followed = 0

    def take(self, epoch: int = 1) -> None:
        restoring = Restoring(ItemPartition(0, ItemLayout(), space=self.space))
        records = self.log.records[TOPICS.items_state]
        keys, values = [key or b"" for key, *_ in records], [value for _, value, _ in records]
        restoring.add(keys, values, range(len(records)))
        self.learn.partitions[0] = restoring.state(SIGNALS, epoch)
        self.flusher.take_over()

    def add_up(self) -> None:
        """Take in what was told, and write what came of it."""
        part = self.learn.partitions[0]
        told = self.log.records[TOPICS.item_signals]
        records = [Record("s", 0, n, 0, None, value, list(own)) for n, (_, value, own) in enumerate(told)]
        self.learn.start(RecordBatch("signals", 0, records[part.resume_offset :]))
        self.flusher.flush()

    def follow(self) -> None:
        learned = self.log.records[TOPICS.learned]
        self.follower.take([Message(key or b"", value) for key, value, _ in learned[self.followed :]])
        self.followed = len(learned)


def settle(owner: Worker, *others: Worker) -> None:
    for worker in (owner, *others):
        worker.shared.share(1, whole=True)
    owner.add_up()
    for worker in (owner, *others):
        worker.follow()


def same(one: Worker, other: Worker) -> bool:
    return all(of(one.towers).tobytes() == of(other.towers).tobytes() for of in (vectors, squares))


def test_two_workers_and_one_that_starts_have_the_same_bits() -> None:
    log = MemoryLog()
    owner, other = Worker(log, "w1"), Worker(log, "w2")
    owner.take()
    for step in range(4):
        teach(owner.towers, step)
        teach(other.towers, 10 + step)
        if step % 2:
            owner.flusher.flush()
            owner.add_up()
            other.flusher.flush()
            other.follow()
    assert not same(owner, other)
    settle(owner, other)
    assert same(owner, other)
    assert owner.shared.uses == other.shared.uses == 320
    assert owner.shared.unmerged == other.shared.unmerged == 0
    new = Worker(log, "w3")
    new.follow()
    assert same(new, owner)
    # It goes on as the owner of what others have added up.
    new.take(epoch=2)
    teach(new.towers, 20)
    settle(new, other)
    assert same(new, other)
    assert other.shared.uses == 360


def test_what_is_not_added_up_yet_stays_on_top() -> None:
    log = MemoryLog()
    owner, other = Worker(log, "w1"), Worker(log, "w2")
    owner.take()
    teach(owner.towers, 1)
    settle(owner)
    teach(other.towers, 2)
    other.shared.share(1)
    told = vectors(other.towers)
    teach(other.towers, 3)
    own = vectors(other.towers) - vectors(Worker(log, "w3").towers)
    other.follow()
    np.testing.assert_allclose(vectors(other.towers), vectors(owner.towers) + own, atol=2e-3)
    assert other.shared.unmerged > other.shared.unsent > 0
    owner.add_up()
    before = vectors(other.towers)
    other.follow()
    np.testing.assert_allclose(vectors(other.towers), before, atol=2e-3)
    assert (other.shared.unmerged, told.shape) == (other.shared.unsent, before.shape)


class Late(MemoryLog):
    """A log that says where its records lie only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[Future[Any], Any]] = []

    def publish(self, groups: Any) -> Future[Any]:
        done: Future[Any] = Future()
        self.held.append((done, super().publish(groups).result()))
        return done

    def tell(self) -> None:
        for done, offsets in self.held:
            done.set_result(offsets)
        self.held.clear()


def test_sums_wait_until_it_is_known_which_records_they_hold() -> None:
    log = Late()
    owner = Worker(log, "w1")
    owner.take()
    teach(owner.towers, 1)
    told = vectors(owner.towers)
    owner.shared.share(1)
    owner.add_up()
    owner.follow()
    np.testing.assert_allclose(vectors(owner.towers), told, atol=2e-3)
    log.tell()
    owner.shared.share(1)
    new = Worker(log, "w2")
    new.follow()
    assert same(owner, new)
    assert owner.shared.unmerged == 0


def test_items_that_are_not_known_yet_get_their_vectors_once_they_are() -> None:
    log = MemoryLog()
    owner, items = Worker(log, "w1"), Catalog(64)
    owner.take()
    late = Worker(log, "w2", items)
    teach(owner.towers, 1)
    settle(owner, late)
    for name in owner.catalog.item_ids:
        items.put(name, owner.catalog.vectors[owner.catalog.row_of[name]])
    late.shared.share(1)
    assert same(late, owner)


def test_vectors_of_another_encoder_are_left_out_on_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    owner, other = Worker(log, "w1"), Worker(log, "w2", space=SPACE + 1)
    owner.take()
    teach(owner.towers, 1)
    teach(other.towers, 2)
    settle(owner, other)
    other.follow()
    assert (owner.shared.uses, other.shared.uses) == (40, 40)
    assert not same(owner, other)
    assert [("another encoder" in message) for message in caplog.messages] == [True]
    assert owner.learn.partitions[0].books["towers_refused"] > 0
    keys = [key or b"" for key, *_ in log.records[TOPICS.learned]]
    assert all(key.startswith(TOWERS_KEY) for key in keys)
