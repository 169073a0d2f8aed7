"""A record batch at a time gives what aiokafka gives record by record: the same records, the same positions."""

from __future__ import annotations

import inspect
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from streams.events.columns.records import RecordColumns
from streams.events.provenance import ORIGIN
from streams.kafka.member import fetching, transport, whole_batches
from streams.kafka.member.whole_batches import LeanRecords, LeanResult, WholeBatches
from streams.kernels.compiling import compiled, numpy_only

TP0 = TP("events", 0)
READ_COMMITTED = 1
CODECS = range(5)  # none, gzip, snappy, lz4, zstd
TIME_TYPE, CONTROL = 0x08, 0x20
# Of a batch's header: base offset, CRC, and the attributes, from which on the CRC counts.
CRC_AT, ATTRIBUTES_AT, COUNT_AT = 17, 21, 57
ABORT, COMMIT = struct.pack(">hh", 0, 0), struct.pack(">hh", 0, 1)


@pytest.fixture(autouse=True, scope="module")
def ready() -> None:
    """A worker compiles before it fetches."""
    assert compiled()


def batch(
    base: int, records: list[tuple[int, Any, Any, Any]], *, codec: int = 0, producer: int = -1, flags: int = 0
) -> bytes:
    """A record batch from offset `base` on. records: offset from there, key, value, headers."""
    made = DefaultRecordBatchBuilder(2, codec, producer >= 0, producer, 0, 0, 1 << 20)
    for at, key, value, headers in records:
        assert made.append(at, 1_700_000_000_000 + at, key, value, headers) is not None
    data = bytearray(made.build())
    struct.pack_into(">q", data, 0, base)
    (attributes,) = struct.unpack_from(">h", data, ATTRIBUTES_AT)
    struct.pack_into(">h", data, ATTRIBUTES_AT, attributes | flags)
    return rebuilt(data)


def take_all(result: Any, assigned: Any, most: int) -> Iterator[tuple[list[Any], int]]:
    """What each call gives, and the position behind it."""
    while result.has_more():
        taken = result.getall(most)
        assert len(taken) <= most
        yield taken, assigned.position


class Assigned:
    """What of aiokafka's assignment a result looks at."""

    active, paused = True, False

    def __init__(self, position: int) -> None:
        self.position = position

    def state_value(self, _: TP) -> Assigned:
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def theirs_and_ours(data: bytes, start: int, most: int, aborted: list[tuple[int, int]]) -> list[Any]:
    """What both give."""
    found = []
    kinds = (MemoryRecords, PartitionRecords, FetchResult), (WholeBatches, LeanRecords, LeanResult)
    for batches, records, result in kinds:
        assigned = Assigned(start)
        fetched = records(TP0, batches(data), list(aborted), start, None, None, True, READ_COMMITTED)
        given = result(TP0, assignment=assigned, partition_records=fetched, backoff=0)
        found.append(list(take_all(given, assigned, most)))
    return found


def rebuilt(data: bytearray) -> bytes:
    """With the CRC of what is in it."""
    struct.pack_into(">I", data, CRC_AT, calc_crc32c(bytes(data[ATTRIBUTES_AT:])))
    return bytes(data)


def taken(data: bytes) -> list[Any]:
    """All of it by ours, call by call."""
    return [some for some, _ in theirs_and_ours(data, 0, 1000, [])[1]]


def told(record: Any) -> tuple[Any, ...]:
    """What a record says, whatever holds its headers."""
    return *astuple(record)[:6], list(record.headers), record.appended


def same(theirs: Any, ours: Any) -> bool:
    return (theirs.topic, theirs.partition, theirs.offset, theirs.timestamp, theirs.key, theirs.value) == (
        *(ours.topic, ours.partition, ours.offset, ours.timestamp, ours.key, ours.value),
    ) and (list(theirs.headers), theirs.timestamp_type == 1) == (list(ours.headers), ours.appended)


BYTES = st.none() | st.binary(max_size=20)
HEADERS = st.lists(st.tuples(st.text(max_size=5), BYTES), max_size=3)
ODD_ORIGINS = st.lists(st.tuples(st.sampled_from([ORIGIN, ORIGIN[:-1], ORIGIN + "x"]), BYTES), max_size=2)
ORIGINS = st.sampled_from([[], [(ORIGIN, b"clicks/a/b/0/17/0")], [(ORIGIN, b"x")]])


@st.composite
def logs(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int]], int]:
    """Some batches, with gaps between and in them, markers and transactions; the aborted ones; the end."""
    data, aborted, at = b"", [], 0
    for _ in range(draw(st.integers(1, 6))):
        at += draw(st.integers(0, 3))
        kind = draw(st.sampled_from(["plain", "aborted", "committed", "marker"]))
        codec = draw(st.sampled_from(CODECS))
        flags = draw(st.sampled_from([0, TIME_TYPE]))
        offsets = sorted(draw(st.sets(st.integers(0, 12), min_size=1, max_size=8)))
        headers = draw(st.sampled_from([st.just([]), ORIGINS, ORIGINS, HEADERS, ODD_ORIGINS]))
        records = [(one, draw(BYTES), draw(BYTES), draw(headers)) for one in offsets]
        producer = {"plain": -1, "aborted": 7, "committed": 8, "marker": 8}[kind]
        if kind == "marker":
            data += batch(at, [(0, COMMIT, b"", [])], producer=producer, flags=CONTROL)
            at += 1
            continue
        data += batch(at, records, codec=codec, producer=producer, flags=flags)
        if kind == "aborted":
            aborted.append((producer, at))
        at += offsets[-1] + 1
        if kind == "aborted":
            data += batch(at, [(0, ABORT, b"", [])], producer=producer, flags=CONTROL)
            at += 1
    return data, aborted, at


@given(logs(), st.data())
@settings(max_examples=200, deadline=None)
def test_the_records_and_positions_are_aiokafkas(
    log: tuple[bytes, list[tuple[int, int]], int], data: st.DataObject
) -> None:
    fetched, aborted, end = log
    start, most = data.draw(st.integers(0, end)), data.draw(st.integers(1, 9))
    with numpy_only() if data.draw(st.integers(0, 4)) == 0 else nullcontext():
        theirs, ours = theirs_and_ours(fetched, start, most, aborted)
    flat_theirs, flat_ours = ([one for some, _ in found for one in some] for found in (theirs, ours))
    assert len(flat_theirs) == len(flat_ours)
    assert all(map(same, flat_theirs, flat_ours))
    assert [(len(some), position) for some, position in theirs] == [(len(some), at) for some, at in ours]


@given(
    where=st.integers(ATTRIBUTES_AT, 400),
    to=st.integers(0, 255),
    codec=st.sampled_from([0, 0, 0, 3]),
    cut=st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_what_a_producer_wrote_wrong_is_read_or_refused_alike(
    where: int, to: int, codec: int, cut: bool
) -> None:
    """The CRC is right, for the producer made it."""
    records = [
        (at, b"k" * at, b"v" * (20 * at) or None, [(ORIGIN, b"a/b/c/0/%d/0" % at)] if at % 2 else [])
        for at in range(6)
    ]
    data = bytearray(batch(0, records, codec=codec))
    # Of its records there may be billions, which aiokafka notices as late as we would.
    if where >= len(data) or COUNT_AT <= where < COUNT_AT + 3 or (data[where] == to and not cut):
        return
    data[where] = to
    if cut:
        del data[where + 1 :]
        struct.pack_into(">i", data, 8, len(data) - 12)
    fetched, outcomes = rebuilt(data), []
    for way in (nullcontext, numpy_only):
        parts = LeanRecords(TP0, WholeBatches(fetched), [], 0, None, None, True, READ_COMMITTED)
        with way():
            try:
                outcomes.append(
                    [(*astuple(one)[:6], list(one.headers), one.appended) for part in parts for one in part]
                )
            except Exception as error:
                outcomes.append([type(error), str(error)])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("headers", [[], [(ORIGIN, b"clicks/a/b/0/17/0")]])
def test_plain_records_are_columns(codec: int, headers: list[Any]) -> None:
    data = batch(5, [(at, b"key", b"value %d" % at, headers) for at in range(9)], codec=codec)
    (records,) = taken(data + batch(14, [(0, None, None, headers)]))
    assert isinstance(records, RecordColumns)
    whole = list(records)
    again = RecordColumns(records.topic, records.partition, records.text, records.table)
    assert [again[at] for at in range(len(again))] == whole
    assert (again[-1].offset, again[-1].value, len(again)) == (14, None, 10)
    assert list(again[2:7:2]) == list(records[2:7:2]) == whole[2:7:2]
    assert list(again.only(np.array([3, 9]))) == [whole[3], whole[9]]
    with pytest.raises(IndexError):
        again[10]
    with numpy_only():
        assert [told(one) for one in taken(data)[0]] == [told(one) for one in whole[:9]]


def test_a_record_with_other_headers_is_an_object() -> None:
    plain = batch(0, [(0, b"k", b"v", [])])
    (records,) = taken(plain + batch(1, [(0, b"k", b"w", [("other", b"x")])]))
    assert isinstance(records, list)
    assert [(one.offset, one.value, list(one.headers)) for one in records] == [
        (0, b"v", []),
        (1, b"w", [("other", b"x")]),
    ]


def test_records_of_the_formats_before_record_batches_are_read() -> None:
    made = LegacyRecordBatchBuilder(1, 1, 1 << 20)
    for offset in range(5):
        made.append(offset, timestamp=offset, key=None, value=b"%d" % offset)
    theirs, ours = theirs_and_ours(bytes(made.build()), 2, 2, [])
    assert [one.value for some, _ in ours for one in some] == [b"2", b"3", b"4"]
    assert all(
        same(a, b)
        for (many, _), (some, _) in zip(theirs, ours, strict=True)
        for a, b in zip(many, some, strict=True)
    )


def test_a_batch_that_was_damaged_is_raised() -> None:
    data = bytearray(batch(0, [(0, b"k", b"value", [])]))
    data[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        theirs_and_ours(bytes(data), 0, 5, [])
    fetched = LeanRecords(TP0, WholeBatches(bytes(data)), [], 0, None, None, True, READ_COMMITTED)
    with pytest.raises(CorruptRecordException):
        next(fetched)


def test_nothing_is_given_where_another_offset_was_set_meanwhile() -> None:
    data, assigned = batch(0, [(at, None, b"v", []) for at in range(9)]), Assigned(0)
    fetched = LeanRecords(TP0, WholeBatches(data), [], 0, None, None, True, READ_COMMITTED)
    result = LeanResult(TP0, assignment=assigned, partition_records=fetched, backoff=0)
    assert [one.offset for one in result.getall(3)] == [0, 1, 2]
    assigned.position = 0
    assert result.getall(3) == []
    assert not result.has_more()


def test_they_are_those_that_aiokafka_makes() -> None:
    transport.register()
    made_by = super(fetching.KeenFetcher, fetching.KeenFetcher)._proc_fetch_request.__globals__
    assert (made_by["MemoryRecords"], made_by["PartitionRecords"]) == (WholeBatches, LeanRecords)
    assert made_by["FetchResult"] is LeanResult
    source = inspect.getsource(Fetcher._proc_fetch_request)
    for made in ("records = MemoryRecords(part_data[-1])", "PartitionRecords(", "FetchResult("):
        assert made in source
    loop = inspect.getsource(PartitionRecords._unpack_records)
    assert "for record in next_batch:" in loop
    assert "self._consumer_record(tp, record)" in loop
    assert list(inspect.signature(PartitionRecords._consumer_record).parameters) == ["self", "tp", "record"]
    assert "type(res_or_error) is FetchResult" in inspect.getsource(Fetcher.fetched_records)


def test_a_whole_batch_asks_its_batch_for_all_else() -> None:
    whole = whole_batches.WholeBatch(SimpleNamespace(producer_id=5, is_control_batch=False), b"", 0, 0)
    assert (whole.producer_id, whole.is_control_batch) == (5, False)
