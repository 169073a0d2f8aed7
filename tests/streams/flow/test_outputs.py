"""What subscribers get: vectors in either form, and reasons that add up."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.flow.outputs import ORDER, Writer
from streams.flow.rendering import Quoted, ranked_items, remembered
from streams.flow.vector_formats import read_vectors
from streams.interest.base import Interests
from streams.kernels.compiling import compiled, numpy_only
from streams.recommend import Ranked, Reasons
from streams.state.users.layout import HISTORY_DTYPE
from tests.streams.flows import T0, apply, make_flow, record


def states(users: int) -> Any:
    rows = np.zeros(users, dtype=[("offset", "<i8"), ("applied", "<i8"), ("epoch", "<i8")])
    rows["offset"], rows["applied"], rows["epoch"] = np.arange(users) + 100, np.arange(users), 40
    return rows


def written(vector_format: str, vectors: Any) -> list[dict[str, Any]]:
    users = [f"u{row}" for row in range(len(vectors))]
    counts, as_of = np.arange(len(vectors)) + 7, np.arange(len(vectors)) + T0
    writer = Writer("decay", 2, vector_format)
    records = writer.vectors(3, users, states(len(vectors)), counts, as_of, Interests.single(vectors))
    assert [key.decode() for key, _ in records] == users
    return [orjson.loads(value) for _, value in records]


def floats(encoded: str) -> Any:
    return np.frombuffer(b64decode(encoded), dtype="<f4")


@given(seed=st.integers(0, 99), users=st.integers(0, 5), dim=st.integers(1, 9))
@settings(max_examples=40)
def test_both_forms_hold_the_same_floats_to_the_bit(seed: int, users: int, dim: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((users, dim)).astype(np.float32)
    packed, arrays = written("base64", vectors), written("array", vectors)
    assert len(packed) == len(arrays) == users
    for row in range(users):
        assert np.array_equal(floats(packed[row]["vector"]), vectors[row])
        assert np.array_equal(np.array(arrays[row]["vector"], dtype=np.float32), vectors[row])


def test_a_vector_record_says_whose_and_as_of_when() -> None:
    (_, second) = written("base64", np.zeros((2, 4), dtype=np.float32))
    del second["vector"]
    assert second == {
        "user_id": "u1",
        "model": "decay",
        "generation": 2,
        "partition": 3,
        "offset": 101,
        "version": 2,
        "term": 40,
        "count": 8,
        "as_of": T0 + 1,
        "dim": 4,
    }


def test_a_vector_that_is_a_slice_of_another_is_written_right() -> None:
    wide = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert floats(written("base64", wide[:, 1:3])[1]["vector"]).tolist() == [5.0, 6.0]


def test_several_vectors_of_a_user_are_written_with_their_shares() -> None:
    vectors = np.random.default_rng(5).standard_normal((2, 3, 4)).astype(np.float32)
    shares = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], dtype=np.float32)
    writer, numbers = Writer("many", 2, "base64"), np.array([1, 2])
    interests = Interests(vectors, shares)
    for user, (_, value) in enumerate(writer.vectors(3, ["a", "b"], states(2), numbers, numbers, interests)):
        found = orjson.loads(value)
        assert "vector" not in found
        assert (found["dim"], found["shares"]) == (4, shares[user].tolist())
        assert np.array_equal([floats(one) for one in found["vectors"]], vectors[user])


def test_a_recommendation_is_called_by_the_state_that_it_is_of() -> None:
    writer = Writer("decay", 2, "base64")
    ((key, value),) = writer.recommendations(3, ["ü"], states(1), np.array([4]), np.array([T0]), ["[]"])
    found = orjson.loads(value)
    assert key == "ü".encode()
    assert found["recommendation_id"] == "2-3-100-1-ü"
    assert (found["count"], found["as_of"], found["items"]) == (4, T0, [])


@given(
    users=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=5),
    forms=st.tuples(st.sampled_from(["base64", "array"]), st.integers(1, 3), st.integers(1, 6)),
)
@settings(max_examples=150)
def test_records_are_those_that_dictionaries_would_give(
    users: list[str], forms: tuple[str, int, int]
) -> None:
    """To the byte, whatever stands in ids and names."""
    vector_format, number, dim = forms
    vectors = np.random.default_rng(3).standard_normal((len(users), number, dim)).astype(np.float32)
    counts, as_of, shares = np.arange(len(users)) - 1, np.arange(len(users)) + T0, vectors[:, :, 0]
    given = states(len(users)), counts, as_of
    writer, model = (
        Writer('100%b "d', 2, vector_format),
        {"model": '100%b "d', "generation": 2, "partition": 3},
    )
    made = writer.vectors(3, users, *given, Interests(vectors, shares))
    with numpy_only():
        assert writer.vectors(3, users, *given, Interests(vectors, shares)) == made
    lists = writer.recommendations(3, users, *given, ['[{"item_id":"ü"}]'] * len(users))
    for row, user in enumerate(users):
        state = {"offset": row + 100, "version": row + 1, "term": 40, "count": row - 1, "as_of": row + T0}
        plain: list[Any] = vectors[row].tolist()
        if vector_format == "base64":
            plain = [b64encode(vector.tobytes()).decode() for vector in vectors[row]]
        several = {"vectors": plain, "shares": shares[row].tolist()}
        said = several if number > 1 else {"vector": plain[0]}
        assert made[row] == (
            user.encode(),
            orjson.dumps({"user_id": user, **model, **state, "dim": dim, **said}),
        )
        called = {"user_id": user, "recommendation_id": f"2-3-{row + 100}-{row + 1}-{user}"}
        wanted = orjson.dumps({**called, **model, **state, "items": [{"item_id": "ü"}]})
        assert lists[row] == (user.encode(), wanted)


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-101, 101), min_size=1, max_size=6),
    st.integers(1, 7),
)
@settings(max_examples=150, deadline=None)
def test_both_ways_write_the_same_bytes(numbers: list[int], dim: int) -> None:
    assert compiled()
    drawn = np.random.default_rng(dim).integers(0, 256, (len(numbers), 4 * dim), np.uint8).view("<f4")
    columns, rows = np.array(numbers), states(len(numbers))
    rows["offset"], rows["epoch"] = columns[::-1], columns
    writer, users = Writer("decay", 2, "base64"), [f"u{number}" for number in numbers]
    given = 3, users, rows, columns, columns, Interests.single(drawn)
    made = writer.vectors(*given)
    with numpy_only():
        assert writer.vectors(*given) == made


@pytest.mark.parametrize("vector_format", ["base64", "array", "f4le", "f2le"])
@pytest.mark.parametrize("number", [1, 3])
def test_a_vector_is_read_back_from_every_format(vector_format: str, number: int) -> None:
    users, dim = ["a", 'b}"', "ü"], 5
    drawn = np.random.default_rng(4).standard_normal((3, number, dim)).astype(np.float32)
    interests = Interests(drawn, np.full((3, number), 0.25, dtype=np.float32))
    writer, numbers = Writer("m", 2, vector_format), np.arange(3)
    made = writer.topic_records("t", writer.vectors(1, users, states(3), numbers, numbers, interests))
    headers = made.headers or [()] * 3
    found = [read_vectors(v or b"", own) for (_, v), own in zip(made.records, headers, strict=True)]
    assert [key for key, _ in made.records] == [user.encode() for user in users]
    assert [one["user_id"] for one in found] == users
    assert [[one[name] for name in ORDER] for one in found] == [[2, n, 40, n + 100, n + 1] for n in range(3)]
    written_as = np.float16 if vector_format == "f2le" else np.float32
    for one, vectors in zip(found, drawn, strict=True):
        assert one["vectors"].dtype == written_as
        assert one["vectors"].tobytes() == vectors.astype(written_as).tobytes()
        assert one.get("shares") == ([0.25] * 3 if number > 1 else None)


def test_a_binary_record_is_its_vector_and_says_the_rest_in_headers() -> None:
    vectors, numbers = np.arange(4, dtype=np.float32).reshape(1, 1, 4), np.array([7])
    writer = Writer("decay", 2, "f4le")
    interests = Interests(vectors, np.ones((1, 1), dtype=np.float32))
    made = writer.topic_records("t", writer.vectors(3, ["u"], states(1), numbers, numbers, interests))
    headers = made.headers or []
    assert made.records == [(b"u", vectors.tobytes())]
    ((form, said),) = headers
    assert form == ("x-vector", b"f4le")
    assert said[0] == "x-interest"
    assert "vector" not in orjson.loads(said[1])
    assert (made.topic, made.partition) == ("t", None)


def test_half_precision_keeps_what_the_documentation_says() -> None:
    drawn = np.random.default_rng(9).standard_normal((500, 128)).astype(np.float32)
    units = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    halves = units.astype(np.float16).astype(np.float32)
    normal = np.abs(units) > 2**-14
    assert (np.abs(halves - units)[normal] <= 2**-11 * np.abs(units)[normal]).all()
    assert np.abs(halves @ units.T - units @ units.T).max() < 0.0005


def missing_last(rows: Any) -> Any:
    return np.take_along_axis(rows, np.argsort(rows < 0, axis=-1, kind="stable"), axis=-1)


@given(seed=st.integers(0, 999), top=st.integers(1, 4))
@settings(max_examples=60)
def test_contributions_and_the_rest_add_up_to_the_score(seed: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    index = missing_last(rng.integers(-1, 4, (2, 3, top)).astype(np.int32))
    parts = np.where(index >= 0, rng.standard_normal((2, 3, top)), 0).astype(np.float32)
    ranked = Ranked(
        missing_last(rng.integers(-1, 5, (2, 3)).astype(np.int32)),
        rng.standard_normal((2, 3)).astype(np.float32),
        Reasons(index, parts, np.zeros((2, 3), dtype=np.float32)),
    )
    history = np.zeros((2, 4), dtype=HISTORY_DTYPE)
    history["time"] = T0 + np.arange(4)
    # What is quoted must come back as it was.
    ids = ["plain", 'with "quotes"', "back\\slash", "ünï", "\u2028"]
    events = remembered(history, np.array([[0, 1, 2, -1]] * 2, dtype=np.int32), ids, {0: 'a"b'}, Quoted())
    lists = [orjson.loads(items) for items in ranked_items(ids, ranked, events, Quoted())]
    for user, row in zip(lists, ranked.rows.tolist(), strict=True):
        assert [shown["item_id"] for shown in user] == [ids[at] for at in row if at >= 0]
    told = {
        reason["item_id"]: reason["timestamp"] for u in lists for shown in u for reason in shown["reasons"]
    }
    wanted = {ids[0]: T0, ids[1]: T0 + 1, ids[2]: T0 + 2, None: T0 + 3}
    assert told.items() <= wanted.items()
    assert {reason["action"] for u in lists for shown in u for reason in shown["reasons"]} <= {'a"b'}
    assert [len(items) for items in lists] == (ranked.rows >= 0).sum(axis=1).tolist()
    for shown in (item for items in lists for item in items):
        total = sum(reason["contribution"] for reason in shown["reasons"]) + shown["other"]
        assert total == pytest.approx(shown["score"], abs=1e-9)


def test_reasons_are_told_in_the_words_of_the_events() -> None:
    flow = make_flow(exclude_consumed=False)
    apply(flow, [record(0, item="i2", action="like"), record(1, item="i5", action="purchase", value=1)])
    ((_, value),) = flow.recommend(0, np.array([0]))
    told = {
        (reason["item_id"], reason["action"], reason["timestamp"])
        for shown in orjson.loads(value)["items"]
        for reason in shown["reasons"]
    }
    assert told == {("i2", "like", T0), ("i5", "purchase", T0 + 1)}


def test_an_action_whose_word_was_forgotten_is_told_as_other() -> None:
    """States remember checksums; a restarted worker learns words without a rule anew as they come."""
    flow = make_flow(exclude_consumed=False, default_action_weight=1.0)
    apply(flow, [record(0, item="i2", action="wink")])
    again = make_flow(exclude_consumed=False, default_action_weight=1.0)
    again.partitions[0] = flow.partitions[0]
    ((_, value),) = again.recommend(0, np.array([0]))
    assert {r["action"] for shown in orjson.loads(value)["items"] for r in shown["reasons"]} == {"other"}


def test_no_reasons_may_be_wanted() -> None:
    flow = make_flow(reasons=0, exclude_consumed=False)
    apply(flow, [record(0)])
    ((_, value),) = flow.recommend(0, np.array([0]))
    assert {tuple(shown["reasons"]) for shown in orjson.loads(value)["items"]} == {()}


def test_a_search_counts_before_there_is_any_item() -> None:
    flow = make_flow(items=0)
    assert len(apply(flow, [record(0, item=None, action="search", text="hat")]).vectors) == 1


def test_a_recommendation_of_an_empty_catalog_is_empty() -> None:
    flow = make_flow(items=0)
    apply(flow, [record(0, item=None, action="search", text="hat")])
    ((_, value),) = flow.recommend(0, np.array([0]))
    assert orjson.loads(value)["items"] == []
