"""Item signals as records: what is written is read, item by item in the partition of its id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from sinks.base import TopicRecords
from sinks.partitioning import partitions_of
from streams.events.records import Record
from streams.flow.learning import writing
from streams.flow.learning.packed import unpack_head
from streams.flow.learning.records import NoSignalsError, read_signals
from streams.flow.learning.said import Said
from streams.flow.learning.writing import SignalWriter
from streams.items.signals import COLUMNS, ItemSignals
from streams.kernels.compiling import numpy_only
from streams.state.changelog import TopicIdentity
from streams.state.items.said import SaidOfItems
from tests.streams.flow.learning.test_speaking import some
from tests.streams.flows import apply, make_flow

SOURCE, TOPIC, PARTITIONS = TopicIdentity("events", 3, "its-id"), "signals", 4


def written(size: int = 60) -> tuple[Said, list[TopicRecords], Any]:
    """What a batch says, its records, and the flow that folded it."""
    flow = make_flow(learn_items=True)
    said = apply(flow, some(size)).said
    return said, SignalWriter(flow.catalog, TOPIC).groups(said, SOURCE, 2, PARTITIONS), flow


def read(groups: Iterable[TopicRecords]) -> list[tuple[int | None, SaidOfItems]]:
    """By partition."""
    return [
        (group.partition, read_signals(Record(TOPIC, 0, offset, None, None, value, list(headers))))
        for group in groups
        for offset, ((_, value), headers) in enumerate(zip(group.records, group.headers or (), strict=True))
    ]


def test_what_is_written_is_read() -> None:
    said, groups, flow = written()
    found = read(groups)
    for partition, one in found:
        assert (one.stream, one.partition) == ("events/its-id", 2)
        assert set(partitions_of([name.encode() for name in one.ids], PARTITIONS).tolist()) == {partition}
        keys = [
            flow.catalog.keys[flow.catalog.row_of[name]] if name in flow.catalog else None for name in one.ids
        ]
        known = [key in (None, int(of)) for key, of in zip(
            [keys[at] for at in one.items.tolist()], one.signals.items.tolist(), strict=True)]  # fmt: skip
        assert all(known)
        assert one.offsets[one.events].tolist() == one.signals.offsets.tolist()
        assert np.all(np.diff(one.offsets) > 0)
    whole = ItemSignals.joined([one.signals for _, one in found])
    assert len(whole) == len(said.signals)
    ours, theirs = (
        sorted(zip(*(getattr(signals, name).tolist() for name in COLUMNS), strict=True))
        for signals in (whole, said.signals)
    )
    assert ours == theirs


@pytest.mark.parametrize("apart", [0, 1 << 31, 1 << 36])
def test_times_may_be_far_apart(apart: int) -> None:
    said, _, flow = written()
    signals = replace(said.signals, times=said.signals.times + said.signals.offsets * apart)
    found = read(SignalWriter(flow.catalog, TOPIC).groups(Said(signals, said.names), SOURCE, 2, 1))
    assert [getattr(found[0][1].signals, name).tobytes() for name in COLUMNS] == [
        getattr(signals, name).tobytes() for name in COLUMNS
    ]


def test_records_of_version_1_are_read() -> None:
    said, _, flow = written()
    (group,) = SignalWriter(flow.catalog, TOPIC).groups(said, SOURCE, 2, 1)
    ((_, new),) = read([group])
    head = {"version": 1, "items": new.ids, "events": len(new.offsets), "signals": len(new.items)}
    text = orjson.dumps(head)
    columns = (new.keys, new.offsets, new.times, new.sessions, new.others, new.weights, new.items, new.events)
    old = b"".join((len(text).to_bytes(4, "little"), text, *(column.tobytes() for column in columns)))
    ((_, found),) = read([replace(group, records=[(None, old)])])
    assert [getattr(found.signals, name).tobytes() for name in COLUMNS] == [
        getattr(new.signals, name).tobytes() for name in COLUMNS
    ]
    assert len(old) > 1.5 * len(group.records[0][1] or b"")


def test_an_items_signals_stay_in_order() -> None:
    said, groups, _ = written()
    for _, one in read(groups):
        for key in set(one.signals.items.tolist()):
            ours = one.signals.only(one.signals.items == key)
            theirs = said.signals.only(said.signals.items == key)
            assert [getattr(ours, n).tobytes() for n in COLUMNS] == [
                getattr(theirs, n).tobytes() for n in COLUMNS
            ]


def test_what_is_too_large_for_a_record_is_split_between_events(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(written()[1])
    monkeypatch.setattr(writing, "MOST_BYTES", 600)
    _, groups, _ = written()
    split = read(groups)
    assert len(split) > len(whole)
    for partition, one in whole:
        pieces = [piece for number, piece in split if number == partition]
        offsets = [offset for piece in pieces for offset in piece.offsets.tolist()]
        assert offsets == one.offsets.tolist()  # no event is in two
        together = ItemSignals.joined([piece.signals for piece in pieces])
        assert all(getattr(together, n).tobytes() == getattr(one.signals, n).tobytes() for n in COLUMNS)


def test_compiled_or_not_makes_no_difference() -> None:
    compiled = [(group.partition, group.records) for group in written()[1]]
    with numpy_only():
        assert [(group.partition, group.records) for group in written()[1]] == compiled


def test_of_an_item_that_nobody_knows_any_more_nothing_is_said() -> None:
    said, _, _ = written()
    writer = SignalWriter(make_flow(items=0).catalog, TOPIC)
    found = read(writer.groups(said, SOURCE, 2, PARTITIONS))
    assert {name for _, one in found for name in one.ids} == set(said.names.values())


def test_another_number_of_partitions_is_heeded() -> None:
    said, _, flow = written()
    writer = SignalWriter(flow.catalog, TOPIC)
    assert {group.partition for group in writer.groups(said, SOURCE, 0, 1)} == {0}
    groups = writer.groups(said, SOURCE, 0, 7)
    assert len({group.partition for group in groups}) > 1


def headers_and_value() -> tuple[list[tuple[str, bytes]], bytes]:
    group = written()[1][0]
    assert group.headers is not None
    value = group.records[0][1]
    assert value is not None
    return list(group.headers[0]), value


@pytest.mark.parametrize("change", [
    lambda headers, value: ([], value),
    lambda headers, value: (headers, None),
    lambda headers, value: (headers, b""),
    lambda headers, value: (headers, value[:-1]),
    lambda headers, value: (headers, value + b"\0"),
    lambda headers, value: (headers, orjson.dumps({"user_id": "u"})),
    lambda headers, value: (headers, value.replace(b'"version":2', b'"version":9')),
    lambda headers, value: (headers, value[:-4] + b"\xff\xff\xff\xff"),
])  # fmt: skip
def test_what_is_no_record_of_signals_is_told(change: Any) -> None:
    headers, value = change(*headers_and_value())
    with pytest.raises(NoSignalsError):
        read_signals(Record(TOPIC, 0, 0, None, None, value, headers))


def with_head(value: bytes, **changed: Any) -> bytes:
    head, begin = unpack_head(value)
    text = orjson.dumps({**head, **changed})
    return len(text).to_bytes(4, "little") + text + value[begin:]


def with_weight(value: bytes, weight: float) -> bytes:
    """The same with another first weight."""
    head, _ = unpack_head(value)
    # Behind the weights stand four columns of a byte for each signal.
    at = len(value) - 4 * int(head["signals"]) - 4 * int(head["weights"])
    return value[:at] + np.float32(weight).tobytes() + value[at + 4 :]


@pytest.mark.parametrize("count", ["events", "signals", "uses", "others", "weights", "first", "begin"])
@pytest.mark.parametrize("given", [-1, 2**63 - 1, 2**63, 1e308, 1.5, None, "5", [1], True])
def test_a_number_that_cannot_be_is_told_and_takes_no_memory(count: str, given: Any) -> None:
    headers, value = headers_and_value()
    with pytest.raises(NoSignalsError):
        read_signals(Record(TOPIC, 0, 0, None, None, with_head(value, **{count: given}), headers))


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf, -1.0, 3e38])
def test_a_weight_that_cannot_be_is_told(weight: float) -> None:
    headers, value = headers_and_value()
    assert len(read_signals(Record(TOPIC, 0, 0, None, None, with_weight(value, 0.5), headers)))
    with pytest.raises(NoSignalsError, match="weight"):
        read_signals(Record(TOPIC, 0, 0, None, None, with_weight(value, weight), headers))


@pytest.mark.parametrize("name", ["", "\x00ranker", "a\nb", "a" * 100_000, None, 5])
def test_an_id_that_no_item_has_is_told(name: Any) -> None:
    headers, value = headers_and_value()
    items = [name, *unpack_head(value)[0]["items"][1:]]
    with pytest.raises(NoSignalsError):
        read_signals(Record(TOPIC, 0, 0, None, None, with_head(value, items=items), headers))


@pytest.mark.parametrize("told", [b"-1", b"9" * 30, b"", b"\xff", None])
def test_a_partition_that_no_topic_has_is_told(told: Any) -> None:
    headers, value = headers_and_value()
    with pytest.raises(NoSignalsError):
        read_signals(Record(TOPIC, 0, 0, None, None, value, [headers[0], (headers[1][0], told)]))
    with pytest.raises(NoSignalsError):
        read_signals(Record(TOPIC, 0, 0, None, None, value, [(headers[0][0], told), (headers[1][0], b"-1")]))
