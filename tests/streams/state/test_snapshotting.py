"""Snapshots in a worker: what they may hold, when they may be saved, and what is folded over them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams.copying import Copying
from streams.restore import Restoring
from streams.snapshot import Snapshot, load, path, take
from streams.snapshotting import Snapshotter
from streams.store import PartitionState
from tests.streams.test_snapshot import CHANGELOG, SOURCE, USERS, expected, layout, state, taken

from sinks.base import SinkError
from streams import copying
from streams.settings import Settings


def filled(found: Snapshot) -> Restoring:
    restoring = Restoring(2, layout())
    restoring.reserve(8)
    restoring.fill(found.users, found.rows, found.tails, found.mark)
    return restoring


def test_a_snapshot_alone_gives_the_state() -> None:
    part, again = state(), filled(taken()).state(SOURCE)
    assert again.users == part.users
    assert np.array_equal(again.arena[:USERS], part.arena[:USERS])
    assert [again.tails.pack(row) for row in range(USERS)] == [part.tails.pack(row) for row in range(USERS)]
    assert (again.watermark, again.published, again.marks) == (14, 12, 6)
    assert again.books == part.books
    assert set(again.due) == {2, 3, 4}  # recommended up to 11; offsets are 10, 11, …


@given(
    batches=st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=4), max_size=6),
    block=st.integers(1, 9),
)
@settings(max_examples=100, deadline=None)
def test_a_copy_made_between_batches_is_of_the_moment_it_is_finished(
    batches: list[list[int]], block: int
) -> None:
    part = PartitionState(2, layout(), capacity=2)
    touch(part, [0, 1, 2], 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "BLOCK", block)
        copy = Copying(part)
        for number, users in enumerate(batches):
            copy.more()
            touch(part, users, number + 2)
        found = copy.finish(SOURCE, CHANGELOG, 50)
    whole = take(part, SOURCE, CHANGELOG, 50)
    assert (found.users, found.tails, found.mark) == (whole.users, whole.tails, whole.mark)
    assert np.array_equal(found.rows, whole.rows)


def touch(part: PartitionState, users: list[int], offset: int) -> None:
    """What a batch does to its users: rows, users that are new, tails."""
    rows = np.unique(part.rows([f"u{user}" for user in users]))
    changed = part.take(rows)
    view = part.layout.view(changed)
    view["offset"], view["version"] = offset, view["version"] + 1
    part.put(rows, changed)
    if offset % 2:
        part.consumed.add(int(rows[0]), offset)
    part.watermark = offset


class FakePipeline:
    """One partition, and calls on the model thread made at once."""

    def __init__(self, part: PartitionState) -> None:
        self.settings, self.source = Settings(encoder="hashing"), SOURCE
        self.flow = SimpleNamespace(partitions={part.partition: part}, layout=part.layout)

    async def on_model(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


def snapshotter(part: PartitionState, folder: Path) -> Snapshotter:
    part.contained = 50
    found = Snapshotter(FakePipeline(part), folder, 0.01, lambda: CHANGELOG)  # type: ignore[arg-type]
    found.changelog = CHANGELOG
    return found


def file(folder: Path) -> Path:
    return path(folder, CHANGELOG.topic, 2)


async def test_nothing_is_saved_before_all_that_it_holds_is_in_the_changelog(tmp_path: Path) -> None:
    part, first, second = state(), Future[None](), Future[None]()
    part.deliveries += [(13, first), (14, second)]
    saving = asyncio.ensure_future(snapshotter(part, tmp_path).save())
    for delivery in (second, first):
        await asyncio.sleep(0.05)
        assert not file(tmp_path).exists()
        delivery.set_result(None)
    await saving
    assert load(file(tmp_path), expected()) is not None


async def test_nothing_is_saved_where_a_delivery_failed(tmp_path: Path) -> None:
    part, lost = state(), Future[None]()
    part.deliveries.append((14, lost))
    lost.set_exception(SinkError("lost"))
    with pytest.raises(SinkError):
        await snapshotter(part, tmp_path).save()
    assert not file(tmp_path).exists()


async def test_to_be_cancelled_leaves_the_deliveries_alone(tmp_path: Path) -> None:
    """The sink resolves them, and the batch's acknowledgement waits for them, too."""
    part, delivery = state(), Future[None]()
    part.deliveries.append((14, delivery))
    saving = asyncio.ensure_future(snapshotter(part, tmp_path).save())
    await asyncio.sleep(0.01)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert not delivery.cancelled()
    delivery.set_result(None)


async def test_a_partition_is_saved_again_only_when_it_has_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = state()
    keeper = snapshotter(part, tmp_path)
    await keeper.save()
    file(tmp_path).unlink()
    with caplog.at_level(logging.INFO):
        await keeper.save()
        assert not caplog.messages
        part.marks += 1
        await keeper.save()
    assert "another writer" in caplog.text
    assert not file(tmp_path).exists()
    part.delivered(50)
    await keeper.save()
    again = load(file(tmp_path), expected())
    assert again is not None
    assert again.offset == 51


async def test_a_disk_that_is_full_stops_no_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "file"
    folder.write_text("no folder")
    await snapshotter(state(), folder).save()
    assert "no snapshot of partition 2" in caplog.text


async def test_it_goes_on_for_ever(tmp_path: Path) -> None:
    part = state()
    running = asyncio.ensure_future(snapshotter(part, tmp_path).run())
    for offset in (50, 51):
        part.delivered(offset)
        async with asyncio.timeout(10):
            while (found := load(file(tmp_path), expected())) is None or found.offset <= offset:
                await asyncio.sleep(0.01)
    running.cancel()


def test_a_snapshot_of_another_source_fills_nothing_that_is_used() -> None:
    """Checked once more where the state is given: the file's own check is not the only one."""
    found = taken()
    found = replace(found, mark=replace_source(found))
    with pytest.raises(RuntimeError, match="offsets would lie"):
        filled(found).state(SOURCE)


def replace_source(found: Snapshot) -> Any:
    found.mark.source = type(SOURCE)("other", 4)
    return found.mark
