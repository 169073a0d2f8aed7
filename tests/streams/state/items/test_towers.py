"""What workers tell of two-tower vectors is added up, each once, and stands behind the items' rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sinks.base import TopicRecords
from streams.events.records import Record
from streams.flow.learning.records import NoSignalsError
from streams.flow.learning.tower_records import MOST_ITEMS, NUMBER, TELLER, TowerWriter, read_towers
from streams.flow.learning.tower_records import SPACE as SPACE_OF
from streams.items.towers import DIM, PARTS, TOWERS_DTYPE, TowerChanges, space_of
from streams.recommend.catalog import item_key
from streams.state.items.layout import ItemLayout
from streams.state.items.origins import TELLERS, TOLD
from streams.state.items.partition import ItemPartition
from streams.state.items.said import SaidOfTowers
from streams.state.restore import Restoring
from tests.streams.state.items.test_partition import SIGNALS, items_of, log_of, moved, written

LAYOUT, SPACE = ItemLayout(), space_of("an encoder")


def changes(seed: int, count: int, uses: int = 1) -> TowerChanges:
    """Some vectors of some items moved."""
    rng = np.random.default_rng(seed)
    squares = rng.random((count, PARTS), dtype=np.float32) * rng.integers(0, 2, (count, PARTS))
    vectors = rng.standard_normal((count, PARTS, DIM)) * (squares > 0)[:, :, None]
    return TowerChanges(np.full(count, uses), squares.astype(np.float32), vectors.astype(np.float16))


def said(
    teller: str = "w1",
    seed: int = 0,
    names: str = "abc",
    offset: int = 0,
    number: int = 0,
    space: int = SPACE,
) -> SaidOfTowers:
    keys = np.array([item_key(name) for name in names], dtype=np.uint64)
    return SaidOfTowers(offset, teller, number, space, list(names), keys, changes(seed, len(names)))


def folded(*log: SaidOfTowers, part: ItemPartition | None = None) -> ItemPartition:
    part = part or ItemPartition(0, LAYOUT, space=SPACE)
    for one in log:
        part.fold([one])
    return part


def towers_of(part: ItemPartition) -> dict[str, bytes]:
    return {item: part.towers.of(np.array([row])).tobytes() for item, row in part.row_of.items()}


def told(writer: TowerWriter, names: list[str], of: TowerChanges) -> list[tuple[TopicRecords, Any]]:
    keys = np.array([item_key(name) for name in names], dtype=np.uint64)
    return list(writer.groups(names, keys, np.arange(len(names)) % 2, of))


def test_what_is_written_is_read() -> None:
    names = [f"i{n}" for n in range(2 * MOST_ITEMS + 8)]
    whole, writer = changes(1, len(names)), TowerWriter("signals", SPACE, "w1")
    groups = told(writer, names, whole)
    assert [group.partition for group, _ in groups] == [0, 0, 1, 1]
    for number, (group, own) in enumerate(groups):
        ((_, value),), (headers,) = group.records, group.headers or ()
        found = read_towers(Record("s", 0, 7, None, None, value, list(headers)))
        assert found is not None
        assert (found.offset, found.teller, found.number, found.space) == (7, "w1", number, SPACE)
        assert found.ids == [names[at] for at in own.tolist()]
        assert found.keys.tolist() == [item_key(name) for name in found.ids]
        for name in ("uses", "squares", "vectors"):
            assert np.array_equal(getattr(found.changes, name), getattr(whole.only(own), name))
    # Half of the vectors moved.
    assert sum(len(group.records[0][1] or b"") for group, _ in groups) < 0.6 * whole.vectors.nbytes


def test_a_damaged_record_is_rejected_and_another_is_none() -> None:
    (group, _), *_ = told(TowerWriter("s", SPACE, "w1"), ["a", "b"], changes(1, 2))
    ((_, value),), (headers,) = group.records, group.headers or ()
    for bad in (value[:-1], b"", value[:4], None):
        with pytest.raises(NoSignalsError):
            read_towers(Record("s", 0, 0, None, None, bad, list(headers)))
    assert read_towers(Record("s", 0, 0, None, None, value, ())) is None


def test_each_record_counts_once_whoever_told_it() -> None:
    log = [said("w1"), said("w2", 1, "cd", 1), said("w1", 2, "ab", 2, 1)]
    part = folded(*log)
    again = [said("w1", 0, "abc", 3, 0), said("w1", 2, "ab", 4, 1), said("w2", 1, "cd", 5)]
    assert towers_of(folded(*log, *again)) == towers_of(part)
    sums = np.zeros((PARTS, DIM), dtype=np.float32)
    for one in log[:2]:
        sums += one.changes.vectors[one.ids.index("c")].astype(np.float32)
    found = part.towers.of(np.array([part.row_of["c"]]))[0]
    assert found["sums"].tobytes() == sums.tobytes()
    assert found["uses"] == 2
    repeated = folded(*again, part=part).books
    assert (repeated["towers_read"], repeated["towers_applied"], repeated["towers_repeated"]) == (14, 7, 7)
    assert repeated["read"] == 0


def test_a_record_that_speaks_of_no_item_changes_nothing() -> None:
    part = folded(said(names=""), said(teller="w2", offset=1))
    assert towers_of(part) == towers_of(folded(said(teller="w2")))


def test_only_the_workers_that_told_last_are_remembered() -> None:
    part = folded(*(said(f"w{n}", n, "a", n) for n in range(TELLERS + 5)))
    known = [stream for stream in part.origins.copy() if stream.startswith(TOLD)]
    assert len(known) == TELLERS
    assert known[0] == f"{TOLD}w5"


def test_what_was_learned_in_another_space_or_is_no_number_is_left_out() -> None:
    bad = said("w1")
    bad.changes.vectors[1, 0, 0] = np.inf
    part = folded(bad, said("w2", offset=1, space=SPACE + 1))
    assert set(part.row_of) == {"a", "c"}
    assert (part.books["towers_applied"], part.books["towers_refused"]) == (2, 4)


def recovered(records: list[tuple[bytes, bytes]], space: int = SPACE) -> ItemPartition:
    restoring = Restoring(ItemPartition(0, LAYOUT, space=space))
    restoring.add([key for key, _ in records], [value for _, value in records], range(len(records)))
    return restoring.state(SIGNALS, len(records))


def test_a_recovery_brings_them_back_and_takes_nothing_in_twice() -> None:
    signals = log_of()
    log = [said("w1"), said("w1", 1, "cd", 1, 1)]
    part = folded(*log)
    part.fold(moved(signals, 2))
    again = recovered(written(part))
    assert (towers_of(again), items_of(again)) == (towers_of(part), items_of(part))
    more = said("w1", 5, "ad", 2 + len(signals), 2)
    assert towers_of(folded(more, part=again)) == towers_of(folded(more, part=part))
    # A crash between the rows and the record that says how far they go.
    cut = recovered(written(folded(*log))[:-1])
    assert cut.processed_offset == -1
    assert towers_of(folded(*log, part=cut)) == towers_of(folded(*log))
    assert cut.books["towers_recovered"] == 5


def test_vectors_of_another_encoder_begin_anew() -> None:
    part = folded(said("w1"))
    part.fold(moved(log_of(), 1))
    again = recovered(written(part), space=SPACE + 1)
    assert again.towers.left_out == 3
    assert again.towers.learned(np.arange(len(again.keys))).tolist() == []
    assert items_of(again) == items_of(part)
    assert TOWERS_DTYPE.itemsize == 8 + 4 * PARTS * (1 + DIM)


@pytest.mark.parametrize(
    ("name", "number"), [("uses", -1), ("squares", -1), ("squares", np.nan), ("vectors", np.inf)]
)
def test_changes_that_nobody_can_have_learned_are_refused(name: str, number: float) -> None:
    one = said(names="ab")
    changed = getattr(one.changes, name).copy()
    changed[0] = number
    part = folded(replace(one, changes=replace(one.changes, **{name: changed})))
    assert (part.books["towers_refused"], part.books["towers_applied"]) == (1, 1)


@pytest.mark.parametrize(
    ("header", "told"), [(TELLER, b"w" * 9999), (NUMBER, b"9" * 99), (NUMBER, b"-1"), (SPACE_OF, None)]
)
def test_a_header_that_no_worker_writes_is_told(header: str, told: Any) -> None:
    ((group, _),) = told_of_one()
    headers = {**dict((group.headers or ())[0]), header: told}
    with pytest.raises(NoSignalsError):
        read_towers(Record("s", 0, 7, None, None, group.records[0][1], list(headers.items())))


def told_of_one() -> list[tuple[TopicRecords, Any]]:
    return told(TowerWriter("signals", SPACE, "w1"), ["a"], changes(1, 1))
