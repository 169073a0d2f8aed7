"""Items' states: each signal taken in once, whoever wrote it how often, and the same through a recovery."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams.events.records import Record
from streams.flow.learning.records import read_signals
from streams.flow.learning.writing import SignalWriter
from streams.items.signals import NO_KEY
from streams.state.changelog import PROGRESS_KEY, TopicIdentity
from streams.state.items.layout import ItemLayout
from streams.state.items.origins import take
from streams.state.items.partition import ItemPartition
from streams.state.items.said import SaidOfItems
from streams.state.origins import NO_RANK, Origins
from streams.state.restore import Restoring
from streams.state.store import StateError
from tests.streams.flow.learning.test_speaking import some
from tests.streams.flows import apply, make_flow

EVENTS, SIGNALS = TopicIdentity("events", 1, "its-id"), TopicIdentity("signals", 1, "theirs")
LAYOUT = ItemLayout()


def log_of(size: int = 10, count: int = 60, first: int = 0) -> list[SaidOfItems]:
    """What batches of so many events say to one partition, as it stands in the log from an offset on."""
    flow, records = make_flow(learn_items=True), some(count)
    writer, found = SignalWriter(flow.catalog, "signals"), list[SaidOfItems]()
    for at in range(0, count, size):
        said = apply(flow, records[at : at + size]).said
        for group in writer.groups(said, EVENTS, 0, 1):
            for (_, value), headers in zip(group.records, group.headers or (), strict=True):
                found.append(
                    read_signals(Record("s", 0, first + len(found), None, None, value, list(headers)))
                )
    return found


def moved(log: list[SaidOfItems], first: int) -> list[SaidOfItems]:
    """The same records at later offsets."""
    return [replace(one, offset=first + n) for n, one in enumerate(log)]


def folded(*logs: list[SaidOfItems]) -> ItemPartition:
    part = ItemPartition(0, LAYOUT)
    for log in logs:
        part.fold(log)
    return part


def items_of(part: ItemPartition) -> dict[str, bytes]:
    """What is known of each item."""
    rows = part.layout.view(part.arena)["item"]
    return {item: rows[row].tobytes() for item, row in part.row_of.items()}


def uses_in(log: list[SaidOfItems]) -> Counter[str]:
    uses = Counter[str]()
    for one in log:
        of = one.items[one.signals.others == NO_KEY]
        uses.update(one.ids[at] for at in of.tolist())
    return uses


def test_batches_make_no_difference() -> None:
    log = log_of()
    at_once, one_by_one = folded(log), folded(*([one] for one in log))
    assert items_of(at_once) == items_of(one_by_one)
    assert at_once.uses() == uses_in(log)


def test_a_repeat_changes_nothing_however_it_is_batched() -> None:
    log = log_of(10)
    again = moved(log_of(7), len(log))
    part = folded(log, again[:3], again[3:])
    assert items_of(part) == items_of(folded(log))
    read, repeated = part.books["read"], part.books["repeated"]
    assert (read, part.books["applied"]) == (2 * repeated, repeated)


def test_a_batch_that_was_said_in_part_is_taken_from_there_on() -> None:
    early, whole = log_of(10)[:2], log_of(60)
    part = folded(early, moved(whole, 2))
    assert items_of(part) == items_of(folded(whole))


def test_canonical_partitions_count_apart() -> None:
    origins = Origins()
    rising = np.array([3, 5], dtype=np.int64)
    assert origins.highest("a", 0) == NO_RANK
    assert take(origins, "a", 0, rising).tolist() == [True, True]
    assert take(origins, "a", 0, np.array([4, 5, 6])).tolist() == [False, False, True]
    assert take(origins, "a", 1, rising).tolist() == [True, True]
    assert take(origins, "made anew", 0, rising).tolist() == [True, True]
    assert origins.copy() == {"a": {0: 6, 1: 5}, "made anew": {0: 5}}


def written(part: ItemPartition) -> list[tuple[bytes, bytes]]:
    """The changelog records of what has changed, and the progress record behind them."""
    rows = part.changed().rows
    changed = part.read_rows(rows)
    part.set_version(part.layout.view(changed))
    return [*part.records(rows, changed), part.progress_record(SIGNALS)]


def recovered(records: list[tuple[bytes, bytes]]) -> ItemPartition:
    restoring = Restoring(ItemPartition(0, LAYOUT))
    keys, values = [key for key, _ in records], [value for _, value in records]
    restoring.add(keys, values, range(len(records)))
    return restoring.state(SIGNALS, len(records))


def test_after_a_recovery_it_goes_on_where_it_was() -> None:
    log = log_of()
    part = folded(log[:3])
    again = recovered(written(part))
    assert (again.resume_offset, items_of(again)) == (3, items_of(part))
    again.fold(log[3:])
    assert items_of(again) == items_of(folded(log))
    # And it tells repeats of before.
    again.fold(moved(log, len(log)))
    assert items_of(again) == items_of(folded(log))
    assert again.books["read"] == again.books["applied"] + again.books["repeated"]


def test_rows_that_were_written_without_their_progress_record_take_nothing_in_twice() -> None:
    log = log_of()
    part = folded(log[:2])
    records = written(part)
    part.fold(log[2:4])
    for kept in range(len(records), len(records) + 5):
        *rows, _ = written_again(part)
        again = recovered([*records, *rows[: kept - len(records)]])
        again.fold(log[2:])
        assert items_of(again) == items_of(folded(log))
        books: Any = again.books
        assert books["read"] == books["applied"] + books["repeated"] + books["recovered"]


@pytest.mark.parametrize(
    ("name", "number"), [("neighbours", 10**9), ("sums", np.nan), ("recent_weights", -1)]
)
def test_a_row_that_no_signals_can_make_begins_anew(name: str, number: float) -> None:
    log = log_of()
    part = folded(log[:3])
    records = written(part)
    rows = np.frombuffer(records[0][1], LAYOUT.dtype).copy()
    rows["item"][name], rows["offset"] = number, 99
    again = recovered([*records, (records[0][0], rows.tobytes())])
    item = records[0][0].decode()
    assert again.damaged == 1
    assert items_of(again) == {**items_of(part), item: bytes(len(items_of(part)[item]))}
    assert again.row_of[item] in again.changed().rows
    again.fold(log[3:])


def test_a_progress_record_that_cannot_be_read_says_what_to_do() -> None:
    with pytest.raises(StateError, match="INTERESTFLOW_GENERATION"):
        recovered([*written(folded(log_of())), (PROGRESS_KEY, b"\xff{")])


def written_again(part: ItemPartition) -> list[tuple[bytes, bytes]]:
    part.touch(np.arange(len(part.keys)))
    return written(part)
