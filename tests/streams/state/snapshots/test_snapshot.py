"""Snapshots: what is saved is what comes back, and what is in doubt is never used."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.interest.decay import DecayModel, HalfLife
from streams.state.changelog import NOTHING, OutputProgress, Progress, TopicIdentity
from streams.state.deliveries import Deliveries
from streams.state.snapshots import snapshot as module
from streams.state.snapshots.copying import Copying
from streams.state.snapshots.snapshot import Expected, Snapshot, load, path, save
from streams.state.users.layout import UserLayout
from streams.state.users.partition import UserPartition
from streams.state.users.waiting import Waiting

DIM = 4
USERS = 5
SOURCE = TopicIdentity("events", 4, "id")
CHANGELOG = TopicIdentity("app-g1-state", 4, "log-id")
OFFSET = 50


def layout(space: str = "hashing@1") -> UserLayout:
    return UserLayout(DecayModel(DIM, HalfLife(5, "events"), HalfLife(60.0)), 3, space)


def state(users: int = USERS, first: int = 10) -> UserPartition:
    """Users with offsets first, first + 1, …; one has consumed, one waits, one has both."""
    part = UserPartition(2, layout(), capacity=64)
    rows = part.rows([f"useré-{i}" for i in range(users)])
    changed = part.read_rows(rows)
    view = part.layout.view(changed)
    view["offset"], view["applied"], view["accepted"] = np.arange(users) + first, 1, 1
    view["model"]["sums"] = np.arange(users * 2 * DIM, dtype=np.float32).reshape(users, 2, DIM)
    part.write_rows(rows, changed)
    if users:
        part.consumed.add(0, 2**63 + 5)
        part.consumed.add(0, 7)
        part.waiting.add(1, Waiting(11, "item-x", 1000, b"{}", 0))
        part.consumed.add(2, 9)
        part.waiting.add(2, Waiting(12, "item-y", 1001, b'{"a":1}', 0))
    part.processed_offset = first + users - 1
    part.books.update({"read": users, "applied": users - 2, "waiting": 2})
    part.deliveries = Deliveries(epoch=7, read_to=OFFSET, published=OutputProgress(3, 4, 5), resume=8)
    part.sequence, part.recommended_before = 6, OutputProgress(3, 2, 5)
    part.progress_record(SOURCE)
    return part


def expected(**changes: Any) -> Expected:
    fits: dict[str, Any] = {"partition": 2, "layout": layout(), "source": SOURCE, "changelog": CHANGELOG}
    return Expected(**{**fits, "begin": 3, "end": 60, **changes})


def taken(part: UserPartition | None = None) -> Snapshot:
    copy = Copying(state() if part is None else part)
    while copy.more():
        pass
    copy.finish()
    return copy.snapshot(CHANGELOG, 3)


def saved(tmp_path: Path) -> Path:
    return save(tmp_path / "snapshots", taken())


def why(file: Path, caplog: pytest.LogCaptureFixture, **changes: Any) -> str:
    """What the log says of a file that must not be used."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert load(file, expected(**changes)) is None
    (record,) = caplog.records
    assert str(file) in record.getMessage()
    return record.getMessage()


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    part = state()
    again = load(saved(tmp_path), expected())
    assert again is not None
    assert (again.partition, again.changelog, again.begin, again.offset) == (2, CHANGELOG, 3, OFFSET)
    assert again.keys == part.users
    assert np.array_equal(again.rows, part.arena[:USERS])
    assert again.variable_parts == {row: part.variable_parts.pack(row) for row in range(3)}
    assert again.progress == part.progress
    assert (again.progress.offset, again.progress.sequence, again.progress.books) == (14, 7, dict(part.books))


def test_the_tails_are_those_that_a_state_loads(tmp_path: Path) -> None:
    again = load(saved(tmp_path), expected())
    assert again is not None
    part = UserPartition(2, layout())
    part.variable_parts.load(again.variable_parts)
    assert [list(part.consumed.keys(row)) for row in range(4)] == [[2**63 + 5, 7], [], [9], []]
    assert [(w.offset, w.item_id, w.recorded, w.event) for w in part.waiting.of_row[2]] == [
        (12, "item-y", 1001, b'{"a":1}')
    ]
    assert part.waiting.rows_by_item == {"item-x": {1}, "item-y": {2}}


def test_a_state_without_users_comes_back(tmp_path: Path) -> None:
    again = load(save(tmp_path, taken(state(users=0))), expected())
    assert again is not None
    assert (again.keys, again.rows.shape, again.variable_parts) == ([], (0, layout().size), {})


def test_a_snapshot_is_a_copy() -> None:
    """The model thread goes on while the file is written."""
    part = state()
    before = taken(part)
    part.arena[:] = 255
    part.rows(["one more"])
    part.consumed.add(0, 1)
    part.books["read"] += 1
    assert not (before.rows == 255).all()
    assert (len(before.keys), len(before.variable_parts[0]), before.progress.books["read"]) == (
        USERS,
        4 + 2 * 8,
        USERS,
    )


def test_the_newest_progress_record_may_be_another_owners() -> None:
    """Who took over later may have been read by one who had claimed before, and was replaced."""
    part = state()
    newer = Progress(14, 9, 1, 8, NOTHING, NOTHING, part.layout.id, SOURCE, {"read": 5})
    part.progress = newer
    part.progress_record(SOURCE)
    assert taken(part).progress == newer
    part.processed_offset = 15
    part.progress_record(SOURCE)
    assert taken(part).progress.epoch == 7


def test_nothing_there_is_nothing_to_speak_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load(path(tmp_path, "topic", 0), expected()) is None
    assert not caplog.records


def test_what_is_no_snapshot_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert "directory" in why(tmp_path, caplog)
    file = tmp_path / "file"
    for data in (b"", b"x", b"\x00" * 500, module.MAGIC):
        file.write_bytes(data)
        why(file, caplog)


@pytest.mark.parametrize("tenth", range(10))
def test_a_file_cut_short_is_ignored(tmp_path: Path, tenth: int, caplog: pytest.LogCaptureFixture) -> None:
    file = saved(tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) * tenth // 10])
    assert "cut short" in why(file, caplog)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_anywhere_is_seen(tmp_path: Path, place: float, bit: int) -> None:
    data = bytearray(saved(tmp_path).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file = tmp_path / "flipped"
    file.write_bytes(data)
    assert load(file, expected()) is None


@given(data=st.binary(max_size=300))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sealed_file_of_something_else_raises_nothing(tmp_path: Path, data: bytes) -> None:
    """What a later program with the same version number may write by mistake."""
    lead = module._LEAD.pack(module.MAGIC, module.VERSION, len(data) // 2)
    file = tmp_path / "file"
    file.write_bytes(lead + data + module._checksum(lead + data).digest())
    assert load(file, expected()) is None


def test_a_file_with_a_row_too_few_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = taken()
    file = save(tmp_path, replace(whole, rows=whole.rows[1:]))
    assert "do not fit" in why(file, caplog)


def test_another_version_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "VERSION", module.VERSION + 1)
        file = saved(tmp_path)
    assert f"version {module.VERSION + 1}" in why(file, caplog)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"partition": 1}, "partition 2"),
        ({"layout": layout("another@1")}, "another model"),
        ({"source": TopicIdentity("other", 4, "id")}, "come from events"),
        ({"source": TopicIdentity("events", 8, "id")}, "4 partitions"),
        ({"source": TopicIdentity("events", 4, "anew")}, "events was made anew"),
        ({"changelog": TopicIdentity("app-g2-state", 4, "log-id")}, "app-g1-state"),
        ({"changelog": TopicIdentity("app-g1-state", 4, "anew")}, "app-g1-state was made anew"),
        ({"changelog": TopicIdentity("app-g1-state", 4)}, "id is unknown"),
        ({"begin": 4}, "began at 3 and begins at 4"),
        ({"end": OFFSET - 1}, "ends at 49"),
    ],
)
def test_what_does_not_fit_is_ignored(
    tmp_path: Path, changes: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert said in why(saved(tmp_path), caplog, **changes)


@pytest.mark.parametrize(
    "changes",
    [{}, {"end": OFFSET}, {"source": TopicIdentity("events", 4)}],
)
def test_what_just_fits_is_used(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert load(saved(tmp_path), expected(**changes)) is not None


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("fault", [no_space, killed])
def test_a_failure_while_writing_leaves_the_old_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, fault: Callable[..., None]
) -> None:
    file = saved(tmp_path)
    before = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fault)
        with pytest.raises((OSError, KeyboardInterrupt)):
            save(file.parent, taken(state(first=20)))
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_half_written_file_is_overwritten_and_never_read(tmp_path: Path) -> None:
    """A kill leaves it behind; the next snapshot takes its place, and no second one piles up."""
    file = saved(tmp_path)
    left = file.with_name(file.name + ".tmp")
    left.write_bytes(file.read_bytes()[:100])
    assert load(file, expected()) is not None
    assert saved(tmp_path) == file
    assert list(file.parent.iterdir()) == [file]


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    assert stat.S_IMODE(saved(tmp_path).stat().st_mode) == 0o600
