"""Impressions are joined with uses: by the log alone, whatever the batches, and counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from streams.flow.feedback.counting import counts_of, exploration_factor, rates, total
from streams.flow.flow import Flow
from streams.kernels import compiling
from streams.state.changelog import FeedbackCounts
from tests.streams.flows import T0, Record, apply, make_flow, record

WINDOW_S = 100


@pytest.fixture(autouse=True)
def _compiled_again() -> Iterator[None]:
    yield
    compiling.choose(True)


def make(**options: Any) -> Flow:
    own = {"feedback": True, "feedback_window_s": WINDOW_S, "feedback_remembered": 4}
    return make_flow(compiled=False, **{**own, **options})


def shown(offset: int, item: str = "i3", at: int = 0, user: str = "u", **fields: Any) -> Record:
    """An impression, `at` seconds after the beginning."""
    arm, source = fields.pop("arm", "exploit"), fields.pop("source_of", "own")
    own = {"recommendation_id": f"2.{arm}.{source}.1-0-7-3-{user}", "timestamp": T0 + 1000 * at, **fields}
    return record(offset, user, item, action="impression", **own)


def click(offset: int, item: str | None = "i3", at: int = 0, user: str = "u", **fields: Any) -> Record:
    return record(offset, user, item, timestamp=T0 + 1000 * at, **fields)


def counted(flow: Flow) -> dict[str, int]:
    return counts_of(flow.partitions[0]).counts


def test_a_use_within_the_window_answers_once() -> None:
    flow = make()
    apply(flow, [shown(0), click(1, at=WINDOW_S), click(2, at=WINDOW_S)])
    assert counted(flow) == {"shown.exploit.own": 1, "used.exploit.own": 1}
    assert counts_of(flow.partitions[0]).offset == 2


def test_the_next_event_after_the_window_ends_it() -> None:
    flow = make()
    apply(flow, [shown(0, arm="explore"), click(1, "i1", at=WINDOW_S)])
    assert counted(flow) == {"shown.explore.own": 1}
    apply(flow, [click(2, "i1", at=WINDOW_S + 1), click(3, at=WINDOW_S + 1)])
    assert counted(flow) == {"shown.explore.own": 1, "ignored.explore.own": 1}


@pytest.mark.parametrize("before", [1, 50])
def test_what_was_used_before_it_was_shown_is_no_answer(before: int) -> None:
    flow = make()
    apply(flow, [click(0, at=0), shown(1, at=60), click(2, at=60 - before)])
    assert counted(flow) == {"shown.exploit.own": 1}


def test_shown_again_it_waits_from_then_on() -> None:
    flow = make()
    apply(flow, [shown(0), shown(1, at=90, source_of="content"), click(2, at=150)])
    assert counted(flow) == {
        "shown.exploit.own": 1,
        "displaced.exploit.own": 1,
        "shown.exploit.content": 1,
        "used.exploit.content": 1,
    }


def test_beyond_the_bound_the_oldest_is_dropped() -> None:
    flow = make()
    apply(flow, [shown(n, f"i{n}") for n in range(5)])
    assert counted(flow) == {"shown.exploit.own": 5, "displaced.exploit.own": 1}
    apply(flow, [click(10, "i0"), click(11, "i4")])
    assert counted(flow)["used.exploit.own"] == 1


def test_what_is_no_answer() -> None:
    """An impression of a list of somebody else, or without an id; a dislike; another user's click."""
    flow = make()
    apply(flow, [shown(0, recommendation_id="2.exploit.own.1-0-7-3-v"), shown(1, recommendation_id=None)])
    assert counted(flow) == {}
    apply(flow, [shown(2), click(3, action="dislike"), click(4, user="v")])
    assert counted(flow) == {"shown.exploit.own": 1}


def test_an_id_with_a_number_that_no_offset_has_harms_no_event() -> None:
    flow = make()
    batch = [shown(0), shown(1, "i4", recommendation_id=f"2.exploit.own.1-0-{10**19 - 1}-3-u"), click(2)]
    assert apply(flow, batch).isolated == []
    assert counted(flow) == {"shown.exploit.own": 1, "used.exploit.own": 1}


def test_unknown_items_and_the_ids_of_lists_count_too() -> None:
    flow = make()
    apply(flow, [shown(0, "new", recommendation_id="1-0-7-3-u"), click(1, "new")])
    assert counted(flow) == {"shown.unknown.other": 1, "used.unknown.other": 1}


def test_repeats_count_once() -> None:
    flow = make()
    log = [shown(0), shown(1, event_id="e0"), click(2), click(3, event_id="e2")]
    apply(flow, log)
    apply(flow, log)
    assert counted(flow) == {"shown.exploit.own": 1, "used.exploit.own": 1}


def test_without_it_nothing_is_joined() -> None:
    flow = make(feedback=False)
    apply(flow, [shown(0), click(1)])
    assert counts_of(flow.partitions[0]).counts == {}
    assert flow.partitions[0].feedback is msgspec.UNSET
    assert "shown" not in (flow.layout.dtype.names or ())


ACTS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 5), st.integers(0, 300)), max_size=40
)


def log_of(acts: list[tuple[bool, int, int, int]]) -> list[Record]:
    return [
        (shown if impression else click)(offset, f"i{item}", at, f"u{user}")
        for offset, (impression, user, item, at) in enumerate(acts)
    ]


@given(acts=ACTS, cuts=st.sets(st.integers(0, 40)))
@examples(max_examples=60, deadline=None)
def test_batches_do_not_matter(acts: list[tuple[bool, int, int, int]], cuts: set[int]) -> None:
    log, whole, parts = log_of(acts), make(), make()
    if log:
        apply(whole, log)
    begins = [0, *sorted(cut for cut in cuts if 0 < cut < len(log)), len(log)]
    for begin, end in pairwise(begins):
        if begin < end:
            apply(parts, log[begin:end])
    assert counted(parts) == counted(whole)
    assert {key: row["shown"].tolist() for key, row in rows(parts).items()} == {
        key: row["shown"].tolist() for key, row in rows(whole).items()
    }
    model = counted_by_hand(acts)
    assert Counter(counted(whole)) == model


def rows(flow: Flow) -> dict[str, Any]:
    part = flow.partitions[0]
    view = part.layout.view(part.arena)
    return {user: view[row] for user, row in part.row_of.items()}


@given(acts=ACTS, cut=st.integers(0, 40))
@examples(max_examples=60, deadline=None)
def test_compiled_code_says_the_same(acts: list[tuple[bool, int, int, int]], cut: int) -> None:
    log = log_of(acts)
    found = []
    for numpy in (False, True):
        flow = make_flow(feedback=True, feedback_window_s=WINDOW_S, feedback_remembered=3)
        with compiling.numpy_only() if numpy else nullcontext():
            joined = [apply(flow, some).joined for some in (log[:cut], log[cut:]) if some]
        columns = [
            [getattr(one, name).tolist() for name in ("outcomes", "rows", "offsets", "impressions")]
            for one in joined
        ]
        found.append((columns, counted(flow), {user: row.tobytes() for user, row in rows(flow).items()}))
    assert compiling.compiled()
    assert found[0] == found[1]


def counted_by_hand(acts: list[tuple[bool, int, int, int]]) -> Counter[str]:
    """The rules once more, one event at a time, in the simplest words."""
    found: Counter[str] = Counter()
    waiting: list[tuple[int, int, int]] = []
    for impression, user, item, at in acts:
        for one in list(waiting):
            if one[0] == user and one[2] + WINDOW_S < at:
                waiting.remove(one)
                found["ignored.exploit.own"] += 1
            elif one[:2] == (user, item) and (impression or at >= one[2]):
                waiting.remove(one)
                found["displaced.exploit.own" if impression else "used.exploit.own"] += 1
        if impression:
            own = [one for one in waiting if one[0] == user]
            if len(own) == 4:
                waiting.remove(own[0])
                found["displaced.exploit.own"] += 1
            waiting.append((user, item, at))
            found["shown.exploit.own"] += 1
    return found


def test_events_that_are_read_again_are_not_counted_again() -> None:
    """As after a crash between the counts and the rows: the counts are there, the rows are not."""
    log = [shown(0), shown(1, "i4"), click(2)]
    flow, again = make(), make()
    apply(flow, log)
    again.partitions[0].feedback = flow.partitions[0].feedback
    updated = apply(again, log)
    assert not updated.counted
    assert counted(again) == counted(flow)
    updated = apply(again, [click(3, "i4")])
    assert updated.counted
    assert counted(again)["used.exploit.own"] == 2


def test_an_item_carries_its_id_back() -> None:
    flow = make(recommender="hybrid")
    apply(flow, [click(0, "i0")])
    part = flow.partitions[0]
    ((_, value),) = flow.recommend(0, np.array([part.row_of["u"]], dtype=np.int64))
    record_ = orjson.loads(value)
    first, second, *_ = record_["items"]
    assert first["recommendation_id"] == f"0.exploit.content.{record_['recommendation_id']}"
    assert second["recommendation_id"].startswith("1.")
    said = [
        shown(1, item["item_id"], recommendation_id=item["recommendation_id"]) for item in (first, second)
    ]
    said[1].offset = 2
    apply(flow, [said[0], shown(2, second["item_id"], recommendation_id=second["recommendation_id"])])
    apply(flow, [click(3, first["item_id"])])
    assert sum(number for name, number in counted(flow).items() if name.startswith("shown")) == 2
    assert counted(flow)["used.exploit.content"] == 1


def test_rates_and_the_factor_of_exploration() -> None:
    flow = make()
    part = flow.partitions[0]
    counts = {
        "shown.exploit.own": 300,
        "used.exploit.own": 30,
        "shown.exploit.content": 100,
        "shown.explore.exploration": 50,
        "used.explore.exploration": 20,
    }
    part.feedback = FeedbackCounts(9, counts)
    found = rates(total(flow.partitions.values()))
    assert found["source", "own"] == pytest.approx(0.1)
    assert found["source", "content"] == 0
    assert found["arm", "exploit"] == pytest.approx(0.075)
    assert found["arm", "explore"] == pytest.approx(0.4)
    assert 1 < exploration_factor(total(flow.partitions.values())) <= 2
    assert exploration_factor({}) == 1
    assert exploration_factor({("shown", "exploit", "own"): 9}) == 1
    worst = {("shown", "exploit", "own"): 10**6, ("used", "exploit", "own"): 10**5}
    assert exploration_factor({**worst, ("shown", "explore", "own"): 10**6}) == 0.25
