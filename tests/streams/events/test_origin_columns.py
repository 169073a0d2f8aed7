"""Origins read by column are what they are one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.columns.origins import OriginColumns, read_origins
from streams.events.provenance import INDEX_BITS, ORIGIN, Origin, OriginReader, rank_of
from streams.events.records import Record
from streams.kernels.compiling import compiled, numpy_only
from streams.state.origins import Origins
from tests.streams.columns import columns_of

HEADS = [
    b"clicks/idA/idE",
    b"orders/idB/idE",
    b"clicks/idA/another",
    b"clicks/idE",
    b"a/b/c/idE",
    b"\xff/x/idE",
    b"",
]
ODD = [
    b"",
    b"x",
    b"/",
    b"//",
    b"///",
    b"clicks/idA/idE/0/1",
    b"clicks/idA/idE/x/1/0",
    b"clicks/idA/idE/0/1_0/0",
]


@st.composite
def headers(draw: Any) -> list[tuple[str, bytes]]:
    """As ingest writes them; few others."""
    if draw(st.integers(0, 15)) == 0:
        name = draw(st.sampled_from([ORIGIN, ORIGIN, "other"]))
        return [(name, draw(st.sampled_from(ODD)))] * draw(st.integers(0, 2))
    offset = draw(st.one_of(st.integers(0, 20), st.sampled_from([10**11, 10**12 - 1, 10**12, 10**30])))
    index = draw(st.sampled_from([0, 0, 0, 1, (1 << INDEX_BITS) - 1, 1 << INDEX_BITS, 10**6]))
    return [(ORIGIN, b"%b/%d/%d/%d" % (draw(st.sampled_from(HEADS)), draw(st.integers(0, 2)), offset, index))]


def records_with(headers: list[Any]) -> list[Record]:
    return [Record("t", 0, at, 0, None, b"", own) for at, own in enumerate(headers)]


def whole(found: OriginColumns) -> list[Origin | None]:
    pairs = zip(found.of.tolist(), found.ranks.tolist(), strict=True)
    return [None if place < 0 else Origin(*found.places[place], rank) for place, rank in pairs]


@given(drawn=st.lists(headers(), min_size=1, max_size=40), known=st.integers(-1, 15))
@settings(max_examples=300, deadline=None)
def test_both_ways_read_and_sift_the_same(drawn: list[Any], known: int) -> None:
    assert compiled()
    reader = OriginReader("idE")
    records = records_with(drawn)
    columns = read_origins(records, reader.stream_of)
    if columns is None:
        return
    singly = reader.read(records) or [None] * len(drawn)
    assert whole(columns) == singly
    if all(value for own in drawn for _, value in own):
        fetched = read_origins(columns_of(records), reader.stream_of)
        assert fetched is not None
        assert whole(fetched) == singly
    some = np.arange(0, len(drawn), 2)
    assert whole(columns.only(some)) == singly[::2]
    before = {"clicks/idA": {0: rank_of(known, 0), 1: 2**70}} if known >= 0 else {}
    state = Origins(before)
    (repeated, risen), (same, also) = state.sift(columns), state.sift(singly)
    assert repeated.tolist() == same.tolist()
    assert list(risen.items()) == list(also.items())


def test_what_ingest_writes_is_read_by_column() -> None:
    written = [[(ORIGIN, b"clicks/idA/idE/2/%d/1" % offset)] for offset in (5, 7)]
    columns = read_origins(records_with([*written, []]), OriginReader("idE").stream_of)
    assert columns is not None
    assert whole(columns) == [
        Origin("clicks/idA", 2, rank_of(5, 1)),
        Origin("clicks/idA", 2, rank_of(7, 1)),
        None,
    ]
    with numpy_only():
        assert read_origins(records_with(written), OriginReader("idE").stream_of) is None
