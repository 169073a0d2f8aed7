"""Producers' repeats: told by event id, by a rule that no batch boundary can bend."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.flow import Flow
from streams.state.users.duplicates import event_key
from tests.streams.flows import apply, make_flow, record

WINDOW = 3
# Few users and few ids, so that there are repeats within a window, beyond it, and of two users.
LOGS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7)), max_size=60)


def expected(log: list[tuple[int, int]]) -> dict[str, list[str]]:
    """The rule, event by event: ids taken in by user."""
    taken: dict[str, list[str]] = defaultdict(list)
    for user, number in log:
        own = taken[f"u{user}"]
        if f"e{number}" not in own[-WINDOW:]:
            own.append(f"e{number}")
    return taken


def counted(flow: Flow) -> dict[str, tuple[int, int]]:
    part = flow.partitions[0]
    view = part.layout.view(part.arena)
    return {
        user: (int(view["applied"][row]), int(view["digest"][row]))
        for user, row in part.row_of.items()
        if view["accepted"][row]
    }


@given(log=LOGS, cuts=st.sets(st.integers(1, 60)))
@settings(max_examples=150)
def test_an_id_among_the_users_last_ones_is_a_repeat_whatever_the_batches(
    log: list[tuple[int, int]], cuts: set[int]
) -> None:
    flow = make_flow(dedupe_window=WINDOW)
    records = [record(at, f"u{user}", event_id=f"e{number}") for at, (user, number) in enumerate(log)]
    for begin, end in pairwise([0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]):
        if begin < end:
            apply(flow, records[begin:end])
    taken = expected(log)
    assert counted(flow) == {
        user: (len(ids), sum(event_key(one, "t") for one in ids) % 2**64) for user, ids in taken.items()
    }
    books = flow.partitions[0].books
    assert books["duplicate"] == len(log) - sum(map(len, taken.values()))
    assert books["read"] == len(log)


def test_a_repeat_of_an_event_that_waits_is_a_repeat() -> None:
    flow = make_flow()
    apply(flow, [record(0, item="new", event_id="a")])
    apply(flow, [record(1, item="new", event_id="a")])
    books = flow.partitions[0].books
    assert (books["waiting"], books["duplicate"]) == (1, 1)


def test_keys_are_the_same_everywhere_and_never_the_empty_place() -> None:
    assert event_key("e0") == 0xC59F3772FD0372A0
    assert len({event_key(f"e{n}") for n in range(10_000)}) == 10_000
    assert np.uint64(event_key("ü")) > 0


def test_an_id_is_a_key_only_together_with_who_reported_it() -> None:
    keys = {
        event_key("1"),
        event_key("1", "shop"),
        event_key("1", "", "clicks"),
        event_key("1", "", "orders"),
    }
    assert len(keys) == 4
    flow = make_flow()
    apply(flow, [record(0, event_id="1", source="clicks"), record(1, event_id="1", source="orders")])
    apply(flow, [record(2, event_id="1", source="orders")])
    assert (flow.partitions[0].books["applied"], flow.partitions[0].books["duplicate"]) == (2, 1)
