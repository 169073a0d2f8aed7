"""The flow: what a batch of records does to states, books and outputs."""

from __future__ import annotations

from base64 import b64decode
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.flow import Flow
from streams.settings.settings import Settings
from streams.state.changelog import Progress, TopicIdentity
from streams.state.restore import Restoring
from streams.state.store import StateError
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow
from tests.streams.flows import DIM, T0, Record, apply, item_vector, make_flow, record, settle, vectors

USERS = [f"u{i}" for i in range(9)]


def states(flow: Flow) -> dict[str, bytes]:
    """Model state and history of each user, as bytes: all that replay must reproduce."""
    part = flow.partitions[0]
    view = flow.layout.view(part.arena)
    return {
        user: view["model"][row].tobytes() + view["history"][row].tobytes()
        for user, row in part.row_of.items()
    }


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.sampled_from(["i0", "i1", "i2", "missing", None]),
        st.sampled_from(["click", "dislike", "rate", "search", "impression"]),
        st.integers(-5000, 5000),
        st.sampled_from([None, 1.0, 4.5]),
        st.sampled_from([None, "red shoes"]),
    ),
    max_size=60,
)


def log_of(events: Any) -> list[Any]:
    return [
        record(offset, user, item, action=action, timestamp=T0 + time, value=value, text=text)
        for offset, (user, item, action, time, value, text) in enumerate(events)
    ]


@given(events=EVENTS, cuts=st.sets(st.integers(1, 59), max_size=5))
@settings(max_examples=120)
def test_replay_in_other_batches_gives_the_same_bits(events: Any, cuts: set[int]) -> None:
    log = log_of(events)
    whole, parts = make_flow(), make_flow()
    if log:
        apply(whole, log)
    edges = [0, *sorted(cut for cut in cuts if cut < len(log)), len(log)]
    for begin, end in pairwise(edges):
        if begin < end:
            apply(parts, log[begin:end])
    assert states(whole) == states(parts)
    assert whole.partitions[0].books == parts.partitions[0].books


@given(events=EVENTS, again=st.integers(0, 59))
@settings(max_examples=80)
def test_what_is_read_again_changes_neither_states_nor_books(events: Any, again: int) -> None:
    log = log_of(events)
    if not log:
        return
    flow = make_flow()
    apply(flow, log)
    before, books = states(flow), dict(flow.partitions[0].books)
    apply(flow, [Record(b"{", len(log))])
    apply(flow, log[again:] or log)
    apply(flow, [Record(b"{", len(log))])
    assert states(flow) == before
    assert flow.partitions[0].books == {**books, "read": len(log) + 1, "rejected.not_json": 1}
    assert balanced(flow)


def balanced(flow: Flow) -> bool:
    books = dict(flow.partitions[0].books)
    return books.pop("read") == sum(books.values())


def test_every_record_has_one_outcome() -> None:
    flow = make_flow()
    broken = record(6)
    broken.value = b"{"
    apply(
        flow,
        [
            record(0),
            record(1, timestamp=T0 - 10),
            record(2, item="unknown"),
            record(3, action="impression"),
            record(4, item=None),
            record(5, item=None, action="search", text="blue hat"),
            broken,
        ],
    )
    books = flow.partitions[0].books
    assert balanced(flow)
    assert {name: books[name] for name in ("applied", "late", "waiting", "neutral", "read")} == {
        "applied": 2,
        "late": 1,
        "waiting": 1,
        "neutral": 2,
        "read": 7,
    }
    assert sum(n for name, n in books.items() if name.startswith("rejected.")) == 1


def test_a_published_vector_is_the_state_in_base64() -> None:
    flow = make_flow()
    found = vectors(apply(flow, [record(7, item="i3")]))["u"]
    values = np.frombuffer(b64decode(found["vector"]), dtype="<f4")
    assert values == pytest.approx(item_vector(3), abs=1e-6)
    assert (found["offset"], found["count"], found["version"], found["dim"]) == (7, 1, 2, DIM)
    assert found["as_of"] == T0 + 7


def test_a_vector_may_be_an_array() -> None:
    flow = make_flow(vector_format="array")
    assert vectors(apply(flow, [record(0)]))["u"]["vector"] == pytest.approx(
        item_vector(0).tolist(), abs=1e-6
    )


def test_a_timestamp_in_the_future_is_clamped_to_the_record_time() -> None:
    flow = make_flow()
    ahead = record(0, timestamp=T0 + 10**9)
    ahead.timestamp = T0 + 5
    assert vectors(apply(flow, [ahead]))["u"]["as_of"] == T0 + 5


def test_a_record_time_that_its_producer_set_bounds_nothing() -> None:
    flow = make_flow()
    wrong = record(0, timestamp=T0 + 10**9)
    wrong.timestamp, wrong.appended = T0 // 1000, False
    assert vectors(apply(flow, [wrong]))["u"]["as_of"] == T0 + 10**9


def test_a_waiting_event_is_applied_once_its_item_arrives() -> None:
    flow = make_flow()
    apply(flow, [record(0, item="new")])
    assert flow.partitions[0].books["waiting"] == 1
    assert flow.ready_events() == {}
    flow.catalog.put("new", item_vector(50))
    (released,) = flow.ready_events().values()
    found = vectors(settle(flow, 0, released))["u"]
    assert np.frombuffer(b64decode(found["vector"]), "<f4") == pytest.approx(item_vector(50), abs=1e-6)
    assert flow.partitions[0].books["waiting"] == 0
    assert balanced(flow)
    assert flow.ready_events() == {}


def restore(flow: Flow, log: dict[bytes, bytes]) -> None:
    restoring = Restoring(UserPartition(0, flow.layout))
    restoring.add(list(log), list(log.values()), range(len(log)))
    flow.partitions[0] = restoring.state(TopicIdentity("t", 1))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"short_half_life": 6}, "INTERESTFLOW_SHORT_HALF_LIFE={} (now 6.0)"),
        ({"short_half_life_unit": "seconds"}, "INTERESTFLOW_SHORT_HALF_LIFE_UNIT={} (now seconds)"),
        ({"long_half_life": 3600}, "INTERESTFLOW_LONG_HALF_LIFE={} (now 3600.0)"),
        ({"long_half_life_unit": "events"}, "INTERESTFLOW_LONG_HALF_LIFE_UNIT={} (now events)"),
        ({"short_share": 0.4}, "INTERESTFLOW_SHORT_SHARE={} (now 0.4)"),
        ({"history_length": 64}, "INTERESTFLOW_HISTORY_LENGTH={} (now 64)"),
        ({"history_length": 5}, "INTERESTFLOW_HISTORY_LENGTH={} (now 5)"),
        ({"dedupe_window": 4, "feedback": True}, "INTERESTFLOW_DEDUPE_WINDOW={} (now 4)"),
    ],
)
def test_a_state_of_other_settings_is_refused_with_their_names_and_what_to_do(
    changed: dict[str, Any], told: str
) -> None:
    """Its sums were decayed by others; read on, they would be neither the old interest nor the new one."""
    flow = make_flow()
    state = dict(apply(flow, [record(0)]).state)
    progress_key, progress = flow.partitions[0].progress_record(TopicIdentity("t", 1))
    restore(make_flow(), {**state, progress_key: progress})
    with pytest.raises(StateError, match=r" was built with .* raise INTERESTFLOW_GENERATION") as refused:
        restore(make_flow(**changed), {**state, progress_key: progress})
    (name, *_) = changed
    assert told.format(Settings().flat()[name]) in str(refused.value)
    assert str(refused.value).count("(now ") == len(changed)
    # As an earlier version wrote it.
    unsaid = msgspec.json.encode(msgspec.structs.replace(Progress.of(progress), built_with={}))
    with pytest.raises(StateError, match=r"another model, half-life, .* raise INTERESTFLOW_GENERATION"):
        restore(make_flow(**changed), {**state, progress_key: unsaid})


def test_a_state_of_another_encoder_version_is_refused_with_both() -> None:
    flow = make_flow()
    state = dict(apply(flow, [record(0)]).state)
    key, progress = flow.partitions[0].progress_record(TopicIdentity("t", 1))
    other = build_flow(Settings(dimensions=DIM, encoder="hashing"), "hashing@other")
    with pytest.raises(
        StateError, match=r"built with the encoder hashing@test \(now hashing@other\)\. Restore"
    ):
        restore(other, {**state, key: progress})


def test_no_secret_is_written_beside_a_state() -> None:
    remote = Settings(encoder="https://me:secret@host/v1", encoder_remote_api_key="secret")
    part = UserPartition(0, build_flow(remote, "remote@test").layout)
    _, progress = part.progress_record(TopicIdentity("t", 1))
    assert b"secret" not in progress
    assert Progress.of(progress).built_with["INTERESTFLOW_ENCODER"] == "remote"


def test_a_crash_between_release_and_update_loses_no_waiting_event() -> None:
    flow = make_flow()
    apply(flow, [record(0, item="new")])
    flow.catalog.put("new", item_vector(50))
    (released,) = flow.ready_events().values()
    # Another batch of the same user writes its state to the changelog before the released events are applied.
    (key, value), *_ = apply(flow, [record(1, item="i1")]).state
    again = make_flow()
    again.catalog.put("new", item_vector(50))
    restore(again, {key: value})
    assert again.ready_events().keys() == {0}
    assert flow.still_waiting(0, released)
    settle(flow, 0, released)
    assert not flow.still_waiting(0, released)


def test_a_waiting_event_survives_in_the_changelog() -> None:
    flow = make_flow()
    (key, value), *_ = apply(flow, [record(0, item="new")]).state
    part = flow.partitions[0]
    progress_key, progress = part.progress_record(TopicIdentity("t", 1))
    again = make_flow()
    restore(again, {key: value, progress_key: progress})
    again.catalog.put("new", item_vector(50))
    (released,) = again.ready_events().values()
    assert "u" in vectors(settle(again, 0, released))


def test_waiting_is_bounded_and_what_is_dropped_is_counted() -> None:
    flow = make_flow(waiting_per_user=2)
    apply(flow, [record(offset, item=f"new{offset}") for offset in range(5)])
    assert flow.partitions[0].books["waiting"] == 2
    assert flow.partitions[0].books["dropped"] == 3
    assert balanced(flow)


def recommended(flow: Flow, user: str = "u") -> list[dict[str, Any]]:
    part = flow.partitions[0]
    ((_, value),) = flow.recommend(0, np.array([part.row_of[user]]))
    items: list[dict[str, Any]] = orjson.loads(value)["items"]
    return items


def test_what_was_consumed_is_left_out_by_setting() -> None:
    for exclude in (True, False):
        flow = make_flow(exclude_consumed=exclude)
        apply(flow, [record(0, item="i2")])
        assert ("i2" in [item["item_id"] for item in recommended(flow)]) is not exclude


def test_hidden_and_removed_items_leave_at_once() -> None:
    flow = make_flow(exclude_consumed=False)
    apply(flow, [record(0, item="i2")])
    flow.catalog.put("i3", item_vector(3), hidden=True)
    flow.catalog.remove("i4")
    names = {item["item_id"] for item in recommended(flow)}
    assert names == {f"i{i}" for i in range(8)} - {"i3", "i4"}


def test_reasons_add_up_to_the_score_and_name_events() -> None:
    flow = make_flow(exclude_consumed=False)
    apply(
        flow,
        [record(0, item="i2", action="like"), record(1, item="i5"), record(2, item="i6", action="dislike")],
    )
    for item in recommended(flow):
        total = sum(reason["contribution"] for reason in item["reasons"]) + item["other"]
        assert total == pytest.approx(item["score"], abs=1e-5)
        assert item["other"] == pytest.approx(0, abs=1e-5)
        assert {reason["action"] for reason in item["reasons"]} <= {"like", "click", "dislike"}
        assert {reason["item_id"] for reason in item["reasons"]} <= {"i2", "i5", "i6"}


def test_reasons_name_actions_with_a_rule_after_a_restart_too() -> None:
    flow = make_flow(exclude_consumed=False)
    state = apply(flow, [record(0, item="i2", action="like")]).state
    again = make_flow(exclude_consumed=False)
    restore(again, dict(state))
    actions = {reason["action"] for item in recommended(again) for reason in item["reasons"]}
    assert actions == {"like"}


def test_a_search_moves_the_interest_by_its_text() -> None:
    flow = make_flow()
    found = vectors(apply(flow, [record(0, item=None, action="search", text="blue hat")]))["u"]
    again = vectors(apply(make_flow(), [record(0, item=None, action="search", text="blue hat")]))["u"]
    other = vectors(apply(make_flow(), [record(0, item=None, action="search", text="garden")]))["u"]
    assert found["vector"] == again["vector"] != other["vector"]


def test_a_rating_counts_against_the_users_own_mean() -> None:
    """4 is praise from who gives 2s, and a shrug from who gives 5s."""
    strict, mild = make_flow(), make_flow()
    for flow, usual in ((strict, 2.0), (mild, 5.0)):
        apply(flow, [record(i, item="i1", action="rate", value=usual) for i in range(6)])
        apply(flow, [record(10, item="i2", action="rate", value=4.0)])
    signs = [
        float(flow.layout.view(flow.partitions[0].arena)["history"][0]["weight"][6])
        for flow in (strict, mild)
    ]
    assert signs[0] > 0 > signs[1]


def test_rejected_records_are_handed_back_whole() -> None:
    flow = make_flow()
    broken = record(0)
    broken.value = b"\xff\xfe"
    decoded = flow.decode([broken, record(1)])
    ((kept, reason),) = decoded.rejected
    assert kept is broken
    assert reason.reason in ("not_utf8", "not_json")
    assert len(decoded.events) == 1
