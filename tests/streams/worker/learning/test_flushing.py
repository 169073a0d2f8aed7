"""Items that have changed are written once for many batches, to the changelog and to every worker."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from sinks.memory import MemoryLog
from streams.catalog.learned import LEARNED_DTYPE, learned_records, read_learned
from streams.events.records import Record
from streams.flow.learning.records import read_signals
from streams.kafka.member.batches import RecordBatch
from streams.ops.metrics import Metrics
from streams.recommend.catalog import item_key
from streams.settings.settings import Settings
from streams.state.changelog import PROGRESS_KEY
from streams.state.items.layout import ItemLayout
from streams.state.items.partition import ItemPartition
from streams.worker.learning.flushing import ItemFlusher
from streams.worker.learning.following import LearnedFollower
from streams.worker.stages import learn as stage
from streams.worker.stages.learn import Learn
from streams.worker.threads import ModelThread
from tests.streams.flow.learning.test_records import written

TOPICS = Settings().topics


def records() -> list[Record]:
    """All that one batch says of the items of partition 0."""
    (group,) = (group for group in written()[1] if group.partition == 0)
    headers = group.headers or ()
    both = zip(group.records, headers, strict=True)
    return [Record("signals", 0, n, 0, None, value, list(own)) for n, ((_, value), own) in enumerate(both)]


def flusher(learn: Learn | None = None) -> tuple[ItemFlusher, MemoryLog]:
    learn, log = learn or Learn(), MemoryLog()
    learn.partitions[0] = ItemPartition(0, ItemLayout())
    return ItemFlusher(TOPICS, learn, log, ModelThread(), 1.0), log


def test_what_many_batches_change_is_written_once_and_shown() -> None:
    made, log = flusher()
    assert made.idle
    for record in records():
        made.learn.start(RecordBatch("signals", 0, [record]))
    assert not made.idle
    assert len(made.flush()) == 1
    assert made.flush() == []
    part = made.learn.partitions[0]
    part.deliveries.settle()
    assert made.idle
    state = [key for key, _, _ in log.records[TOPICS.items_state]]
    assert state == [*(item.encode() for item in part.row_of), PROGRESS_KEY]
    shown, at = read_learned([value for _, value, _ in log.records[TOPICS.learned]])
    assert len(at) == len(state) - 1
    rows = part.layout.view(part.arena)[: len(part.keys)]
    assert shown["item"].tobytes() == np.ascontiguousarray(rows["item"]).tobytes()
    assert shown["offset"].tolist() == rows["offset"].tolist()


def test_what_is_no_record_of_signals_is_rejected_and_harms_no_other() -> None:
    made, _ = flusher()
    good = records()
    bad = Record("signals", 0, len(good), 0, None, b"{}", ())
    outputs = made.learn.start(RecordBatch("signals", 0, [*good, bad]))
    assert [record.offset for record, _ in outputs.rejected] == [len(good)]
    made.flush()
    assert made.learn.partitions[0].books["applied"] > 0


def test_a_key_that_is_not_its_ids_and_events_of_another_topic_are_rejected() -> None:
    made, _ = flusher(Learn(events="events"))
    good = records()[0]
    value, key = good.value or b"", int(read_signals(good).keys[0])
    wrong = structs.replace(good, value=value.replace(key.to_bytes(8, "little"), bytes(8)))
    headers = [("interestflow.signals.of", b"others/id"), *good.headers[1:]]
    others = structs.replace(good, offset=1, headers=headers)
    last = structs.replace(good, offset=2)
    outputs = made.learn.start(RecordBatch("signals", 0, [wrong, others, last]))
    assert [record.offset for record, _ in outputs.rejected] == [0, 1]
    assert outputs.rejected[0][1].message == "an item's key is not that of its id"
    assert "others/id" in outputs.rejected[1][1].message
    made.flush()
    assert made.learn.partitions[0].books["applied"] == len(read_signals(good))


def test_what_waits_is_folded_when_it_is_written_or_much_and_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted, log = Counter[str](), records()
    at_once = ItemPartition(0, ItemLayout())
    at_once.fold([read_signals(record) for record in log])
    made, _ = flusher(Learn(count=counted.update))
    part = made.learn.partitions[0]
    for record in log:
        made.learn.start(RecordBatch("signals", 0, [record]))
    made.learn.start(RecordBatch("signals", 0, log))
    assert (part.uses(), part.processed_offset, part.taken_offset) == ({}, -1, len(log) - 1)
    made.flush()
    assert (part.uses(), part.processed_offset) == (at_once.uses(), len(log) - 1)
    folded, expected = (one.layout.view(one.arena)["item"].tobytes() for one in (part, at_once))
    assert folded == expected
    assert counted == part.books == at_once.books

    monkeypatch.setattr(stage, "MOST_WAITING", 1)
    eager, _ = flusher()
    eager.learn.start(RecordBatch("signals", 0, log))
    assert eager.learn.partitions[0].uses() == at_once.uses()


def test_items_that_others_wrote_over_are_written_again_with_a_higher_version() -> None:
    made, log = flusher()
    made.learn.start(RecordBatch("signals", 0, records()))
    made.flush()
    part = made.learn.partitions[0]
    item = next(iter(part.row_of))
    made.write_again(part, {item, "unheard of"})
    again, before = log.records[TOPICS.items_state][-2:], len(part.row_of)
    assert [key for key, _, _ in again] == [item.encode(), PROGRESS_KEY]
    assert len(part.row_of) == before
    made.learn.partitions.clear()
    assert made.write_again(part, {item}).result() == []


class Table:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.put_keys: list[list[int]] = []
        self.uses: dict[int, int] = {}

    def put(self, keys: Any, states: Any) -> None:
        self.put_keys.append(keys.tolist())
        self.uses |= dict(zip(keys.tolist(), states["uses"].tolist(), strict=True))


class Message:
    """A Kafka record as confluent-kafka gives it."""

    def __init__(self, key: bytes, value: bytes | None) -> None:
        self._key, self._value = key, value

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value


def learned(item: str, uses: int, epoch: int, offset: int, generation: int = 1) -> Message:
    row = np.zeros(1, ItemLayout().dtype)
    row["epoch"], row["offset"] = epoch, offset
    row["item"]["uses"] = uses
    ((key, value),) = learned_records([item.encode()], row, generation)
    return Message(key, value)


def test_the_table_keeps_the_highest_record_of_each_item() -> None:
    table, nothing = Table(), Any
    follower = LearnedFollower("t", nothing, nothing, nothing, table, Metrics(), lambda: 0.0)  # type: ignore[arg-type]
    follower.take([learned("a", 1, 5, 9), learned("b", 1, 5, 9), learned("a", 2, 5, 10)])
    # A replaced worker's, a record of another layout, and one that is none.
    other = bytearray(learned("b", 9, 9, 9).value() or b"")
    other[4] ^= 1
    follower.take(
        [learned("a", 7, 4, 99), Message(b"b", bytes(other)), Message(b"b", b"{}"), Message(b"b", None)]
    )
    follower.take([learned("b", 3, 6, 2)])
    assert table.uses == {item_key("a"): 2, item_key("b"): 3}
    assert len(table.put_keys) == 2
    assert follower.metrics.learned_items._value.get() == 2
    follower.take([learned("a", 1, 0, 0, generation=2)])
    assert table.uses[item_key("a")] == 1


@pytest.mark.parametrize(("name", "number"), [
    ("sums", np.nan), ("lasting_weights", np.inf), ("recent_weights", -1), ("neighbours", 10**9), ("uses", -1),
    ("newest", 2**62),
])  # fmt: skip
def test_a_record_that_no_worker_can_have_written_is_left_out(name: str, number: float) -> None:
    table, nothing = Table(), Any
    follower = LearnedFollower("t", nothing, nothing, nothing, table, Metrics(), lambda: 0.0)  # type: ignore[arg-type]
    value = learned("a", 1, 5, 9).value() or b""
    row = np.frombuffer(value, LEARNED_DTYPE).copy()
    row["item"][name], row["epoch"] = number, 99
    follower.take([Message(b"\xff\xfe", value), Message(b"a", row.tobytes()), Message(b"a", value)])
    assert item_key("a") in table.uses
    assert follower.metrics.learned_items._value.get() == 2
    follower.take([Message(b"\x00towers:\xff", row.tobytes()), learned("a", 2, 6, 9)])
    assert table.uses[item_key("a")] == 2


def test_a_record_is_forty_bytes_and_a_row() -> None:
    assert LEARNED_DTYPE.fields is not None
    assert LEARNED_DTYPE.fields["item"][1] == 40
