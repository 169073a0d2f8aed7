"""A bound of users in memory: it holds, and what comes out is what an unbounded memory gives, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import count, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.flow import Flow, KeyValues
from streams.ops.metrics import Metrics
from streams.state.bounded.eviction import Evictor
from streams.state.bounded.spill_file import SpillFile
from streams.state.changelog import TopicIdentity
from streams.state.deliveries import PendingChange
from streams.state.restore import Restoring
from streams.state.users.partition import UserPartition
from streams.state.users.waiting import Waiting
from tests.streams.flow.test_flow import EVENTS, log_of
from tests.streams.flows import apply, item_vector, make_flow, record, settle

SOURCE = TopicIdentity("t", 1)
numbers = count()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpillFile]:
    made = SpillFile(tmp_path_factory.mktemp("evicted"))
    yield made
    made.close()


class Fresh:
    """An empty file; a partition number of its own in the one that all tests share is quicker to make."""

    def __init__(self, file: SpillFile) -> None:
        self.file, self.number = file, next(numbers)

    def put(self, _: int, values: Mapping[str, bytes]) -> None:
        self.file.put(self.number, values)

    def get(self, _: int, users: list[str]) -> list[bytes | None]:
        return self.file.get(self.number, users)

    def values(self, _: int) -> Iterable[tuple[str, bytes]]:
        return self.file.values(self.number)


class Run:
    """A worker's life without Kafka: batches, recommendations, items that arrive, crashes."""

    def __init__(self, file: SpillFile | None = None, most: int = 1) -> None:
        self.file, self.most = file, most
        self.flow: Flow = make_flow(consumed_per_user=2)
        self.log: KeyValues = []
        self.vectors: list[KeyValues] = []
        self.recommended: dict[bytes, bytes] = {}
        self.recover([])

    @property
    def part(self) -> UserPartition:
        return self.flow.partitions[0]

    def recover(self, cuts: list[int]) -> None:
        evictor = None if self.file is None else Evictor(Fresh(self.file), self.most)
        restoring = Restoring(UserPartition(0, self.flow.layout), evictor)
        for begin, end in pairwise([0, *(cut for cut in cuts if cut < len(self.log)), len(self.log)]):
            keys, values = [k for k, _ in self.log[begin:end]], [v for _, v in self.log[begin:end]]
            restoring.add(keys, values, range(begin, end))
        self.flow.partitions = {0: restoring.state(SOURCE, epoch=len(self.log))}
        self.vectors.append(sorted(self.flow.unpublished(0)))

    def batch(self, records: list[Any], publish: bool) -> None:
        if records:
            self.note(apply(self.flow, records))
        self.log.append(self.part.progress_record(SOURCE))
        delivered: Future[Sequence[int]] = Future()
        if publish:
            delivered.set_result([len(self.log) - 1])
        self.part.deliveries.add(PendingChange(self.part.sequence, self.part.processed_offset, 1, delivered))
        self.check()

    def note(self, updated: Any) -> None:
        self.log += updated.state
        self.vectors.append(updated.vectors)

    def learn(self) -> None:
        self.flow.catalog.put("missing", item_vector(50))
        for decoded in self.flow.ready_events().values():
            self.note(settle(self.flow, 0, decoded))

    def recommend(self, most: int) -> None:
        part = self.part
        # After a recovery rows, and so who is due first, differ with who was evicted meanwhile.
        rows = sorted(part.due, key=part.users.__getitem__)[:most]
        for row in rows:
            part.publishing[row] = part.due.pop(row)
        if rows:
            self.recommended |= dict(self.flow.recommend(0, np.array(rows)))
        for row in rows:
            part.publishing.pop(row)
        part.trim()
        self.check()

    def check(self) -> None:
        part = self.part
        if part.evicted is not None:
            stay = part.due.keys() | part.publishing.keys() | part.waiting.of_row.keys()
            assert len(part) <= self.most or set(part.row_of.values()) <= stay

    def everything(self) -> dict[bytes, bytes]:
        rows = self.part.rows([f"u{i}" for i in range(9)])
        taken = self.part.read_rows(rows)
        # Where a record was found: users of one batch stand in the order of their rows.
        self.part.layout.view(taken)["record_offset"] = 0
        return dict(self.part.records(rows, taken))


@given(
    events=EVENTS,
    cuts=st.sets(st.integers(1, 59), min_size=4, max_size=8),
    most=st.integers(1, 8),
    plan=st.lists(
        st.sampled_from(["all", "all", "some", "publish", "learn", "crash"]), min_size=9, max_size=9
    ),
    chunk=st.integers(1, 20),
)
@settings(max_examples=200)
def test_the_bound_changes_no_bit(
    file: SpillFile, events: Any, cuts: set[int], most: int, plan: list[str], chunk: int
) -> None:
    log, runs = log_of(events), [Run(), Run(file, most)]
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    for (begin, end), step in zip(pairwise(edges), plan, strict=False):
        for run in runs:
            run.batch(log[begin:end], step == "publish")
            if step in ("all", "some"):
                run.recommend(9 if step == "all" else 3)
            elif step == "learn":
                run.learn()
            elif step == "crash":
                run.recover(list(range(chunk, len(run.log), chunk)))
    unbounded, bounded = runs
    assert bounded.vectors == unbounded.vectors
    assert bounded.recommended == unbounded.recommended
    assert bounded.part.books == unbounded.part.books
    assert due(bounded.part) == due(unbounded.part)
    assert bounded.everything() == unbounded.everything()


def due(part: UserPartition) -> dict[str, int]:
    return {part.users[row]: offset for row, offset in part.due.items()}


def bounded(file: SpillFile, most: int, **options: Any) -> tuple[Flow, UserPartition]:
    flow = make_flow(**options)
    part, evictor = flow.partitions[0], Evictor(Fresh(file), most)
    part.evicted, evictor.variable_parts = evictor, part.variable_parts
    return flow, part


def test_the_least_recently_active_leave_and_their_rows_are_reused(file: SpillFile) -> None:
    flow, part = bounded(file, 3, recommend=False)
    for offset, user in enumerate(["a", "b", "c", "a", "d", "e", "f", "g", "b"]):
        apply(flow, [record(offset, user)])
    assert part.row_of.keys() == {"f", "g", "b"}
    assert (len(part), part.known, part.evicted.count if part.evicted else 0) == (3, 7, 4)
    assert len(part.users) == 4
    assert len(part.free) == 1


def test_a_batch_of_more_users_than_the_bound_holds_them_all_until_it_is_done(file: SpillFile) -> None:
    flow, part = bounded(file, 2, recommend=False)
    updated = apply(flow, [record(offset, f"u{offset}") for offset in range(50)])
    assert len(updated.vectors) == 50
    assert (len(part), part.known) == (2, 50)
    again = apply(flow, [record(50 + offset, f"u{offset}") for offset in range(50)])
    size = part.layout.size
    rows = np.array([np.frombuffer(value[:size], np.uint8) for _, value in again.state])
    states = part.layout.view(rows)
    assert states["applied"].tolist() == [2] * 50
    assert (len(part), part.known) == (2, 50)


def test_who_is_due_or_waits_stays(file: SpillFile) -> None:
    flow, part = bounded(file, 1)
    apply(flow, [record(0, "waits", "new"), record(1, "due"), record(2, "out")])
    part.publishing[part.row_of["out"]] = part.due.pop(part.row_of["out"])
    apply(flow, [record(3, "next", action="impression")])
    assert part.row_of.keys() == {"waits", "due", "out"}
    part.due.clear()
    part.publishing.clear()
    part.trim()
    assert part.row_of.keys() == {"waits"}


def test_a_recovery_keeps_to_the_bound_and_the_highest_version_wins_across_the_file(
    file: SpillFile,
) -> None:
    flow = make_flow(recommend=False)
    old = apply(flow, [record(offset, f"u{offset}") for offset in range(100)]).state
    new = apply(flow, [record(100 + offset, f"u{offset}") for offset in range(0, 100, 2)]).state
    progress = flow.partitions[0].progress_record(SOURCE)
    evictor = Evictor(Fresh(file), 10)
    restoring, end = Restoring(UserPartition(0, flow.layout), evictor), 0
    for records in (new[:30], old[:50], new[30:], old[50:], [progress]):
        for at in range(0, len(records), 5):
            some = records[at : at + 5]
            restoring.add([k for k, _ in some], [v for _, v in some], range(end, end + len(some)))
            end += len(some)
            assert len(restoring) - evictor.count <= 10
    state = restoring.state(SOURCE)
    assert state.known == 100
    rows = state.rows([f"u{i}" for i in range(100)])
    whole, taken = flow.partitions[0], state.read_rows(rows)
    flow.layout.view(taken)["record_offset"] = 0
    assert dict(state.records(rows, taken)) == dict(
        whole.records(np.arange(100), whole.read_rows(np.arange(100)))
    )


def test_what_waits_is_found_after_a_recovery_within_the_bound(file: SpillFile) -> None:
    run = Run(file, 1)
    run.part.rows(["a", "b", "c"])
    run.part.waiting.add(run.part.row_of["b"], Waiting(1, "missing", 0, b"{}", 0))
    rows = np.arange(3)
    taken = run.part.read_rows(rows)
    run.flow.layout.view(taken)["accepted"] = 1
    run.log += run.part.records(rows, taken)
    run.recover([])
    assert run.part.waiting.rows_by_item == {"missing": {run.part.row_of["b"]}}
    assert run.part.known == 3


def test_the_metrics_tell_who_is_where_and_how_many_moved(file: SpillFile) -> None:
    flow, _ = bounded(file, 2, recommend=False)
    for offset, user in enumerate(["a", "b", "c", "a"]):
        apply(flow, [record(offset, user)])
    metrics = Metrics()
    metrics.watch_users(flow.partitions)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"interestflow_users{name}", {"partition": "0", **labels})

    assert (value("", place="memory"), value("", place="file")) == (2, 1)
    assert (value("_moved_total", to="file"), value("_moved_total", to="memory")) == (2, 1)
