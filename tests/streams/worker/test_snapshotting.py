"""Snapshots in a worker: what they may hold, when they may be saved, and which are used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.base import SinkError
from streams.settings.settings import Settings
from streams.state.changelog import PROGRESS_KEY, OutputProgress, Progress, TopicIdentity
from streams.state.deliveries import PendingChange
from streams.state.restore import Restoring
from streams.state.snapshots import copying
from streams.state.snapshots.copying import Copying, with_record_offsets
from streams.state.snapshots.snapshot import load, path
from streams.state.store import StateError
from streams.state.users.partition import UserPartition
from streams.worker.snapshotting import Snapshotter
from tests.streams.state.snapshots.test_snapshot import (
    CHANGELOG,
    OFFSET,
    SOURCE,
    USERS,
    expected,
    layout,
    state,
    taken,
)


def test_a_snapshot_alone_gives_the_state() -> None:
    part, restoring = state(), Restoring(UserPartition(2, layout()))
    restoring.fill(taken())
    again = restoring.state(SOURCE)
    assert again.users == part.users
    assert np.array_equal(again.arena[:USERS], part.arena[:USERS])
    assert [again.variable_parts.pack(row) for row in range(USERS)] == [
        part.variable_parts.pack(row) for row in range(USERS)
    ]
    assert (again.processed_offset, again.books, again.progress) == (14, part.books, part.progress)
    assert (again.deliveries.read_to, again.resume_offset) == (OFFSET, 9)


def test_a_snapshot_of_another_source_gives_no_state() -> None:
    """Checked once more where the state is given: the file's own check is not the only one."""
    restoring = Restoring(UserPartition(2, layout()))
    restoring.fill(taken())
    with pytest.raises(StateError, match="offsets would lie"):
        restoring.state(TopicIdentity("other", 4))


def hand_over(part: UserPartition, users: Sequence[str]) -> Future[Sequence[int]]:
    """Change these users as a batch does it, and more every other time; returns the delivery."""
    rows = np.unique(part.rows(users))
    changed = part.read_rows(rows)
    view = part.layout.view(changed)
    view["offset"], view["accepted"] = part.processed_offset + 1, view["accepted"] + 1
    part.set_version(view)
    part.write_rows(rows, changed)
    part.processed_offset += 1
    if part.processed_offset % 2:
        part.consumed.add(int(rows[0]), part.processed_offset)
    records, delivered = part.records(rows, changed), Future[Sequence[int]]()
    part.progress_record(SOURCE)
    part.deliveries.add(
        with_record_offsets(PendingChange(part.sequence, -1, len(records) + 1, delivered), part, rows)
    )
    return delivered


def places(part: UserPartition) -> dict[str, int]:
    return dict(zip(part.users, part.layout.view(part.arena)["record_offset"].tolist(), strict=False))


def test_rows_tell_where_their_records_stand_once_it_is_known_and_nobody_else_wrote() -> None:
    part = UserPartition(2, layout())
    deliveries = [hand_over(part, users) for users in (["a", "b"], ["b", "c"], ["d"], ["e"])]
    for last, delivery in zip((2, 5, 7, 10), deliveries, strict=True):
        delivery.set_result([last])
    part.deliveries.settle()
    assert places(part) == {"a": 0, "b": 3, "c": 4, "d": 6, "e": 0}
    assert (part.deliveries.contained, part.deliveries.gaps) == (8, [(8, 10)])
    hand_over(part, ["f"]).set_result([12])
    part.deliveries.observe_end(14)
    assert (part.deliveries.contained, part.deliveries.sole_writer) == (8, False)
    assert places(part)["f"] == 0


def test_what_a_replaced_owner_had_read_is_told_from_what_it_had_not() -> None:
    """It had claimed the partition before, read it only now, and calls out what it read: up to anywhere."""
    part = state()
    hand_over(part, ["a", "b"]).set_result([OFFSET + 2])
    restoring, snapshot = Restoring(UserPartition(2, layout())), taken(part)
    restoring.fill(snapshot)
    read = OutputProgress(3, 1, OFFSET + 1)
    progress = Progress(99, 3, 1, 8, read, read, part.layout.id, SOURCE, {})
    restoring.add([PROGRESS_KEY], [msgspec.json.encode(progress)], [snapshot.offset])
    again = restoring.state(SOURCE, 60)
    assert [again.users[row] for row in again.unpublished] == ["b"]
    assert [again.users[row] for row in again.due] == ["b"]


@given(
    batches=st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=4), max_size=6),
    late=st.integers(0, 6),
    block=st.integers(1, 9),
)
@settings(max_examples=100)
def test_a_copy_made_between_batches_is_of_the_moment_it_is_finished(
    batches: list[list[int]], late: int, block: int
) -> None:
    """late: batches whose deliveries are told only then; until then rows do not know their places."""
    part, end, told = UserPartition(2, layout(), capacity=2), 0, list[tuple[Any, int]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "BLOCK", block)
        copy = Copying(part)
        for users in [[0, 1, 2], *batches]:
            delivery = hand_over(part, [f"u{user}" for user in users])
            end += len(set(users)) + 1
            told.append((delivery, end - 1))
            if len(told) > late:
                first, last = told.pop(0)
                first.set_result([last])
            copy.more()
        copy.finish()
    found, whole = copy.snapshot(CHANGELOG, 0), taken(part)
    assert (found.keys, found.variable_parts, found.progress) == (
        whole.keys,
        whole.variable_parts,
        part.progress,
    )
    assert np.array_equal(found.rows, part.arena[: len(part.users)])


def test_rows_of_nobody_and_of_users_without_events_are_left_out() -> None:
    part = state()
    part.rows(["unseen"])
    part.leave_unseen(part.rows(["unseen too"]))
    whole = taken(part)
    assert whole.keys == state().keys
    assert len(whole.rows) == USERS
    part.layout.view(part.arena)["accepted"][0] = 0
    fewer = taken(part)
    assert (fewer.keys, set(fewer.variable_parts)) == (whole.keys[1:], {0, 1})
    assert fewer.variable_parts == {0: whole.variable_parts[1], 1: whole.variable_parts[2]}


class AtOnce:
    """A model thread whose calls are made at once."""

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


def started(part: UserPartition, folder: Path | None) -> Snapshotter:
    """After a recovery that found no snapshot, of a state whose first change is delivered."""
    hand_over(part, ["first"]).set_result([OFFSET + 1])
    part.deliveries.settle()
    settings = Settings(encoder="hashing", snapshot_dir=folder, snapshot_interval_s=0.01)
    flow: Any = SimpleNamespace(partitions={part.partition: part}, layout=part.layout, source=SOURCE)
    found = Snapshotter(settings.memory, settings.topics.state, flow, AtOnce(), lambda: CHANGELOG)  # type: ignore[arg-type]
    found.look()
    assert found.start({2: (3, OFFSET)}) == {}
    return found


def file(folder: Path) -> Path:
    return path(folder, CHANGELOG.topic, 2)


def offset_of(folder: Path) -> int | None:
    found = load(file(folder), expected())
    return None if found is None else found.offset


async def test_nothing_is_saved_before_all_that_it_holds_is_in_the_changelog(tmp_path: Path) -> None:
    part = state()
    keeper = started(part, tmp_path)
    first, second = hand_over(part, ["a"]), hand_over(part, ["b"])
    saving = asyncio.ensure_future(keeper.save())
    for delivery, last in ((second, OFFSET + 5), (first, OFFSET + 3)):
        await asyncio.sleep(0.12)
        assert not file(tmp_path).exists()
        delivery.set_result([last])
    await saving
    assert offset_of(tmp_path) == OFFSET + 2


async def test_nothing_is_saved_where_a_delivery_failed(tmp_path: Path) -> None:
    part = state()
    keeper = started(part, tmp_path)
    hand_over(part, ["a"]).set_exception(SinkError("lost"))
    with pytest.raises(SinkError):
        await keeper.save()
    assert not file(tmp_path).exists()


async def test_nothing_is_saved_where_somebody_else_wrote_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = state()
    keeper = started(part, tmp_path)
    hand_over(part, ["a"]).set_result([OFFSET + 4])
    with caplog.at_level(logging.INFO):
        await keeper.save()
    assert "others wrote" in caplog.text
    assert not file(tmp_path).exists()


async def test_nothing_is_saved_of_a_state_that_is_in_use_no_more(tmp_path: Path) -> None:
    """With the next recovery the changelog may be another topic."""
    part = state()
    keeper = started(part, tmp_path)
    on_model = keeper.model.run

    async def rebalanced(function: Callable[..., Any], *arguments: Any) -> Any:
        keeper.flow.partitions.clear()
        return await on_model(function, *arguments)

    keeper.model.run = rebalanced  # type: ignore[method-assign]
    await keeper.save()
    assert not file(tmp_path).exists()


async def test_a_partition_is_saved_again_only_when_it_has_changed(tmp_path: Path) -> None:
    part = state()
    keeper = started(part, tmp_path)
    await keeper.save()
    file(tmp_path).unlink()
    await keeper.save()
    assert not file(tmp_path).exists()
    hand_over(part, ["a"]).set_result([OFFSET + 3])
    part.deliveries.settle()
    await keeper.save()
    assert offset_of(tmp_path) == OFFSET + 4


async def test_a_disk_that_is_full_stops_no_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "file"
    folder.write_text("no folder")
    keeper = started(state(), tmp_path)
    keeper.folder = folder
    await keeper.save()
    assert "no snapshot of partition 2 was saved" in caplog.text


async def test_it_goes_on_for_ever(tmp_path: Path) -> None:
    part = state()
    keeper = started(part, tmp_path)
    running = asyncio.ensure_future(keeper.run())
    for last in (OFFSET + 3, OFFSET + 5):
        hand_over(part, ["a"]).set_result([last])
        part.deliveries.settle()
        async with asyncio.timeout(10):
            while offset_of(tmp_path) != last + 1:
                await asyncio.sleep(0.01)
    running.cancel()


async def test_without_a_folder_nothing_is_asked_read_or_written(tmp_path: Path) -> None:
    keeper = started(state(), None)
    await keeper.save()
    async with asyncio.timeout(5):
        await keeper.run()
    assert keeper.changelog.topic_id == ""


async def test_a_recovery_begins_with_the_snapshot_of_its_partition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = started(state(), tmp_path)
    await keeper.save()
    with caplog.at_level(logging.INFO):
        found = keeper.start({1: (0, 9), 2: (3, OFFSET + 5)})
    assert list(found) == [2]
    assert f"{USERS + 1} users of a snapshot, 3 changelog offsets behind it" in caplog.text
    keeper.ask = lambda: TopicIdentity(CHANGELOG.topic, 4, "anew")
    assert keeper.start({2: (3, OFFSET + 5)}) == {}
    assert "was made anew" in caplog.text
