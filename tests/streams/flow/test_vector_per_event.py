"""With `vectors_per = event`, batches of any size publish what batches of one event publish."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.compiling import numpy_only
from tests.streams.flows import Record, apply, item_vector, make_flow, record, settle

# `seen` has no rule and moves nobody; i9 is unknown, so its events wait. Times are in no order, and ids come twice.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["i0", "i1", "i2", "i9", None]),
        st.sampled_from(["click", "view", "dislike", "seen"]),
        st.integers(0, 50),
        st.sampled_from([None, "a red thing"]),
    ),
    min_size=1,
    max_size=40,
)


def records_of(events: Any) -> list[Record]:
    made = []
    for at, (user, item, action, time, text) in enumerate(events):
        fields = {} if text is None else {"text": text}
        made.append(
            record(at, user, item, action=action, timestamp=10**12 + time, event_id=f"e{time}", **fields)
        )
    return made


def published(records: list[Record], edges: list[int], **options: Any) -> list[tuple[bytes, bytes]]:
    flow = make_flow(**options)
    return [one for begin, end in pairwise(edges) for one in apply(flow, records[begin:end]).vectors]


@given(events=EVENTS, cuts=st.sets(st.integers(1, 39), max_size=4))
@settings(max_examples=150)
def test_batches_of_any_size_publish_what_single_events_publish(events: Any, cuts: set[int]) -> None:
    records = records_of(events)
    edges = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    alone = published(records, list(range(len(records) + 1)))
    assert published(records, edges, vectors_per="event") == alone
    with numpy_only():
        assert published(records, edges, vectors_per="event") == alone


@pytest.mark.parametrize("per", ["batch", "event"])
def test_events_that_waited_have_a_vector_each_and_stand_behind_what_came_meanwhile(per: str) -> None:
    flow = make_flow(vectors_per=per)
    apply(flow, [record(0, item="i9"), record(1, item="i0"), record(2, item="i9", timestamp=10**12)])
    flow.catalog.put("i9", item_vector(9))
    (decoded,) = flow.ready_events().values()
    found = [orjson.loads(value) for _, value in settle(flow, 0, decoded).vectors]
    shown = [(one["count"], one["offset"], one["version"]) for one in found]
    assert shown == ([(3, 2, 4)] if per == "batch" else [(2, 2, 3), (3, 2, 4)])
