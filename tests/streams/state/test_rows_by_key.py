"""The store with rows of anything: here items with a counter, and a note of any length beside it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from streams.state.bounded.eviction import Evictor
from streams.state.bounded.spill_file import SpillFile
from streams.state.changelog import TopicIdentity
from streams.state.deliveries import PendingChange
from streams.state.layout import STORE_FIELDS, Layout
from streams.state.restore import Restoring
from streams.state.snapshots.copying import Copying
from streams.state.snapshots.snapshot import Expected, load, save
from streams.state.store import PartitionState

SOURCE, CHANGELOG = TopicIdentity("signals", 1, "a"), TopicIdentity("items-state", 1, "b")
LAYOUT = Layout(np.dtype([*((name, "<i8") for name in STORE_FIELDS), ("total", "<i8")]), "counters", "layout")
Log = list[tuple[bytes, bytes]]


class Notes(dict[int, bytes]):
    """A note per row; one that starts with `!` keeps its row in memory."""

    def pack(self, row: int) -> bytes:
        return self.get(row, b"")

    def load(self, packed: Mapping[int, bytes]) -> None:
        self.update(packed)

    def pop_packed(self, row: int) -> bytes:
        return self.pop(row, b"")

    def pinned(self, row: int) -> bool:
        return self.pins(self.pack(row))

    def pins(self, packed: bytes) -> bool:
        return packed.startswith(b"!")


def items() -> PartitionState:
    return PartitionState(0, LAYOUT, Notes(), capacity=2)


def count(part: PartitionState, log: Log, offset: int, *keys: str, note: bytes = b"") -> None:
    """One batch: each key's counter rises, and its note is replaced."""
    rows = part.rows(keys)
    changed = part.read_rows(rows)
    states = LAYOUT.view(changed)
    part.set_version(states)
    states["offset"] = offset
    for name in ("accepted", "applied", "total"):
        states[name] += 1
    part.write_rows(rows, changed)
    part.variable_parts.load(dict.fromkeys(rows.tolist(), note))
    part.processed_offset = offset
    written = [*part.records(rows, changed), part.progress_record(SOURCE)]
    log += written
    delivered: Future[list[int]] = Future()
    delivered.set_result([len(log) - 1])
    part.deliveries.add(PendingChange(part.sequence, offset, len(written), delivered))
    part.trim()


def restored(log: Log, evictor: Evictor | None = None) -> PartitionState:
    restoring = Restoring(items(), evictor)
    restoring.add([key for key, _ in log], [value for _, value in log], range(len(log)))
    return restoring.state(SOURCE, len(log))


def content(part: PartitionState) -> dict[str, tuple[int, int, bytes]]:
    rows = part.rows(["a", "b", "c", "d"])
    states = LAYOUT.view(part.arena)[rows]
    counted = zip(rows.tolist(), states["offset"].tolist(), states["total"].tolist(), strict=True)
    return {
        part.keys[row]: (offset, seen, part.variable_parts.pack(row)) for row, offset, seen in counted if seen
    }


def filled() -> tuple[PartitionState, Log]:
    part, log = items(), Log()
    part.deliveries.epoch = 0
    count(part, log, 1, "a", "b", "c", note=b"first")
    count(part, log, 2, "b", note=b"!second")
    count(part, log, 3, "d")
    return part, log


EXPECTED = {"a": (1, 1, b"first"), "b": (2, 2, b"!second"), "c": (1, 1, b"first"), "d": (3, 1, b"")}


def test_a_changelog_gives_rows_and_tails_back() -> None:
    part, log = filled()
    found = restored(log)
    assert content(part) == content(found) == EXPECTED
    assert found.processed_offset == 3
    assert found.keys[found.unpublished.item()] == "d"  # no progress record came behind its delivery


def test_evicted_rows_come_back_and_pinned_ones_stay(tmp_path: Path) -> None:
    _, log = filled()
    file = SpillFile(tmp_path)
    try:
        evictor = Evictor(file, 1)
        part = restored(log, evictor)
        part.trim()
        assert "b" in part.row_of
        assert evictor.evictions > 0
        assert part.known == 4
        assert content(part) == EXPECTED
    finally:
        file.close()


def test_a_snapshot_gives_rows_and_tails_back(tmp_path: Path) -> None:
    part, log = filled()
    copying = Copying(part)
    while copying.more():
        pass
    copying.finish()
    file = save(tmp_path, copying.snapshot(CHANGELOG, 0))
    found = load(file, Expected(0, LAYOUT, SOURCE, CHANGELOG, 0, len(log)))
    assert found is not None
    restoring = Restoring(items())
    restoring.fill(found)
    assert content(restoring.state(SOURCE)) == EXPECTED


def test_a_layout_without_a_field_of_the_store_is_refused() -> None:
    with pytest.raises(ValueError, match="record_offset"):
        Layout(np.dtype([(name, "<i8") for name in STORE_FIELDS if name != "record_offset"]), "", "")


def test_the_store_knows_nothing_of_users() -> None:
    folder = Path(__file__).parents[3] / "streams" / "state"
    generic = [path for path in folder.rglob("*.py") if path.parent.name != "users"]
    assert len(generic) > 10
    assert [path.name for path in generic if "streams.state.users" in path.read_text()] == []
