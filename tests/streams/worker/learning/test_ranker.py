"""What workers' rankers learn is told, merged by one of them, and followed by all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sinks.memory import MemoryLog
from streams.catalog.learned import RANKER_KEY, Order, ranker_record, read_learned
from streams.events.records import Record
from streams.kafka.member.batches import RecordBatch
from streams.ops.metrics import Metrics
from streams.recommend import RECOMMENDERS
from streams.recommend.abilities import SharesLearning
from streams.recommend.learned.hybrid import HybridRecommender
from streams.recommend.learned.parameters import FORMAT, HEAD, MAGIC, Stored
from streams.settings.settings import Settings
from streams.state.items.layout import ItemLayout
from streams.state.items.partition import ItemPartition
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.learning.following import LearnedFollower
from streams.worker.learning.ranker import MERGED_IN, SharedRanker
from streams.worker.stages.learn import Learn
from streams.worker.threads import ModelThread
from tests.streams.worker.learning.test_flushing import Message, Table, records

TOPICS = Settings().topics


def recommender(ranker: str = "linear") -> HybridRecommender:
    made = RECOMMENDERS.build("hybrid", Settings(ranker=ranker))
    assert isinstance(made, HybridRecommender)
    return made


def teach(made: HybridRecommender, seed: int, answers: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(answers):
        columns = rng.standard_normal((len(made.ranker.columns), 9)).astype(np.float32)
        made.ranker.learn(columns, 3, np.array([2, 5]))


class Worker:
    """The parts of a worker that concern its ranker, on a topic in memory."""

    def __init__(self, log: MemoryLog, owns: bool, ranker: str = "linear") -> None:
        self.log, self.recommender = log, recommender(ranker)
        self.shared = SharedRanker(TOPICS, self.recommender, log)
        self.learn = Learn(self.shared.merge)
        self.flusher = ItemFlusher(TOPICS, self.learn, log, ModelThread(), 1.0, self.shared)
        nothing: Any = None
        table = Table()
        self.follower = LearnedFollower(
            *("t", nothing, nothing, nothing, table, Metrics(), lambda: 0.0, self.shared)
        )
        self.followed = self.read = 0
        if owns:
            self.take(epoch=1)

    def take(self, epoch: int, processed: int = -1) -> None:
        part = ItemPartition(MERGED_IN, ItemLayout())
        part.resume(None, epoch, 0)
        part.processed_offset = processed
        self.learn.partitions[MERGED_IN] = part
        self.flusher.take_over()

    def step(self) -> None:
        """Tell, merge, write and follow."""
        self.flusher.flush()
        unread = self.signals()[self.read :]
        if unread and MERGED_IN in self.learn.partitions:
            self.learn.start(RecordBatch("signals", MERGED_IN, unread))
            self.read += len(unread)
            self.flusher.flush()
        self.follow()

    def signals(self) -> Sequence[Record]:
        told = self.log.records[TOPICS.item_signals]
        return [Record("s", 0, n, 0, None, v, list(h or ())) for n, (_, v, h) in enumerate(told)]

    def follow(self) -> None:
        learned = self.log.records[TOPICS.learned]
        self.follower.take([Message(key or b"", value) for key, value, _ in learned[self.followed :]])
        self.followed = len(learned)

    def values(self) -> bytes:
        return b"".join(value.tobytes() for value in self.recommender.ranker.parameters.values.values())


def test_it_can_be_shared() -> None:
    assert isinstance(recommender(), SharesLearning)


@pytest.mark.parametrize("ranker", ["linear", "mlp"])
def test_all_workers_go_on_from_what_all_have_learned(ranker: str) -> None:
    log = MemoryLog()
    first, second = Worker(log, True, ranker), Worker(log, False, ranker)
    teach(first.recommender, 1, answers=3)
    teach(second.recommender, 2)
    assert first.values() != second.values()
    second.step()
    first.step()
    second.step()
    assert first.values() == second.values()
    assert first.recommender.version == second.recommender.version == first.shared.version == 2
    assert second.follower.metrics.ranker_version._value.get() == 2
    # One who begins anew, and then owns the partition, goes on from there.
    third = Worker(log, False, ranker)
    third.follow()
    assert third.values() == first.values()
    third.take(epoch=9, processed=len(third.signals()) - 1)
    third.read = len(third.signals())
    teach(third.recommender, 3)
    third.step()
    first.follow()
    assert first.recommender.version == third.recommender.version == 3
    assert first.values() == third.values()


def test_what_is_not_merged_yet_stays_on_top_of_what_is_followed() -> None:
    log = MemoryLog()
    owner, worker = Worker(log, True), Worker(log, False)
    teach(owner.recommender, 1)
    owner.step()
    teach(worker.recommender, 2)
    worker.flusher.flush()
    worker.follow()
    before = worker.values()
    assert (before != owner.values(), worker.shared.version) == (True, 1)
    owner.step()
    assert owner.values() == before
    worker.follow()
    assert (worker.values(), worker.shared.version, worker.recommender.version) == (before, 2, 2)


def test_sums_are_merged_beside_signals_and_only_once() -> None:
    log = MemoryLog()
    worker, other = Worker(log, True), Worker(MemoryLog(), False)
    teach(other.recommender, 5)
    other.flusher.flush()
    (sums,) = other.signals()
    items = records()
    batch = [sums, *(Record("s", 0, 1 + n, 0, None, r.value, r.headers) for n, r in enumerate(items))]
    outputs = worker.learn.start(RecordBatch("s", 0, batch))
    part = worker.learn.partitions[0]
    assert (outputs.rejected, part.taken_offset) == ([], len(items))
    worker.learn.start(RecordBatch("s", 0, batch))
    worker.flusher.flush()
    worker.follow()
    assert worker.recommender.version == 1
    written = log.records[TOPICS.learned]
    assert [key for key, *_ in written].count(RANKER_KEY) == 1
    assert len(read_learned([value for _, value, _ in written])[1]) == len(written) - 1
    assert worker.follower.metrics.learned_items._value.get() == len(written) - 1


def test_nothing_is_told_or_written_where_nothing_was_learned() -> None:
    log = MemoryLog()
    worker = Worker(log, True)
    worker.step()
    assert not log.records.get(TOPICS.item_signals)
    assert RANKER_KEY not in [key for key, *_ in log.records[TOPICS.learned]]


def test_what_does_not_fit_is_left_out_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    worker, other = Worker(log, True), Worker(MemoryLog(), True, "mlp")
    teach(other.recommender, 1)
    other.step()
    before, (key, alien, _) = worker.values(), other.log.records[TOPICS.learned][-1]
    assert key == RANKER_KEY
    assert alien is not None
    for value in (alien, alien, None, b"short", b"\2" + alien[1:], alien[:99]):
        worker.shared.follow(value)
    worker.shared.merge(other.signals()[0].value or b"")
    assert (worker.values(), worker.shared.version) == (before, 0)
    assert [("of a mlp ranker" in one) for one in caplog.messages].count(True) == 2
    assert len(caplog.messages) == 5


def test_a_replaced_owner_does_not_write_over_its_successor() -> None:
    worker, (one, two) = Worker(MemoryLog(), False), (recommender(), recommender())
    teach(one, 1, answers=2)
    teach(two, 2)
    for saved, epoch in ((one.save(), 5), (two.save(), 4)):
        worker.shared.follow(ranker_record(saved, Order(1, epoch, 99))[1])
    assert worker.recommender.version == 2


def damaged(kept: Stored) -> list[bytes]:
    """What begins as a ranker does, and is none."""
    columns = list(kept.values)
    found = [
        replace(
            kept, **{part: {name: getattr(kept, part)[name] * 0 + np.float32(number) for name in columns}}
        )
        for part, number in [("values", np.nan), ("values", 3e38), ("squares", np.inf), ("squares", -1)]
    ]
    heads = (b"[" * 100_000, b"[]", b'{"kind":"linear","version":Infinity,"columns":[],"arrays":[]}')
    whole = [HEAD.pack(MAGIC, FORMAT, len(head)) + head for head in heads]
    return [*(one.to_bytes() for one in found), *whole, replace(kept, version=10**30).to_bytes()]


def test_damaged_sums_and_rankers_are_left_out_and_harm_nothing() -> None:
    worker = Worker(MemoryLog(), True)
    teach(worker.recommender, 1)
    worker.step()
    before, version = worker.values(), worker.shared.version
    kept = Stored.from_bytes(worker.recommender.save())
    for value in damaged(kept):
        worker.shared.follow(ranker_record(value, Order(1, 99, 99))[1])
        worker.shared.merge(value)
    # Of one answer, and larger than its squares allow.
    thrown = {name: np.full_like(value, 1e15) for name, value in kept.values.items()}
    small = {name: np.full_like(value, 1e-6) for name, value in kept.values.items()}
    worker.shared.merge(replace(kept, version=1, values=thrown, squares=small).to_bytes())
    huge = {name: np.full_like(value, 3e38) for name, value in kept.values.items()}
    for _ in range(2):
        worker.shared.merge(replace(kept, version=1, values=small, squares=huge).to_bytes())
    more = replace(
        kept, values={**kept.values, "x": small["all"]}, squares={**kept.squares, "x": small["all"]}
    )
    worker.shared.follow(ranker_record(more.to_bytes(), Order(1, 99, 100))[1])
    worker.step()
    assert (worker.values(), worker.shared.version >= version) == (before, True)
