"""The catalog: rows that stay, keys that never change, removals that act at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.recommend import Catalog, item_key
from streams.recommend.catalog import MAX_LENGTH

IDS = st.text(alphabet="abcdé中", min_size=1, max_size=2)


def vector(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_keys_are_the_ones_that_states_on_disk_hold() -> None:
    assert item_key("85123A") == 3141760557156334012
    assert item_key("商品-1") == 374103557163336771


def test_an_item_keeps_its_row_through_changes_removal_and_growth() -> None:
    catalog = Catalog(2, capacity=1)
    for i in range(50):
        assert catalog.put(f"item-{i}", vector(i, -i)) == i
    assert catalog.put("item-7", vector(1, 2)) == 7
    catalog.remove("item-7")
    assert catalog.put("item-7", vector(3, 4)) == 7
    assert catalog.vectors.shape == (50, 2)
    assert catalog.vectors.flags.c_contiguous
    assert catalog.vectors[7].tolist() == [3, 4]
    assert catalog.vectors[49].tolist() == [49, -49]
    assert catalog.item_ids == [f"item-{i}" for i in range(50)]
    assert catalog.keys.dtype == np.uint64
    assert catalog.keys.tolist() == [item_key(name) for name in catalog.item_ids]


def test_a_removed_item_leaves_at_once_but_can_still_be_explained() -> None:
    catalog = Catalog(2)
    catalog.put("kept", vector(1, 0), fingerprint="a")
    catalog.put("gone", vector(0, 1), fingerprint="b")
    catalog.remove("gone")
    assert "gone" not in catalog
    assert len(catalog) == 1
    assert catalog.live.tolist() == [True, False]
    assert "gone" not in catalog.row_of  # so an event on it waits
    assert catalog.row_of_key[item_key("gone")] == 1
    assert catalog.vectors[1].tolist() == [0, 1]
    # Its return must not be taken for something unchanged.
    assert catalog.fingerprint("gone") == ""
    assert catalog.fingerprint("kept") == "a"


def test_a_replay_knows_removed_items_again_but_shows_none() -> None:
    catalog = Catalog(2)
    catalog.put("kept", vector(1, 0))
    catalog.put("gone", vector(0, 1))
    catalog.remove("gone")
    assert catalog.recall_removed() == 1
    assert catalog.row_of == {"kept": 0, "gone": 1}
    assert catalog.live.tolist() == [True, False]
    assert catalog.recall_removed() == 0


def test_a_put_revives_and_hidden_follows_the_last_put() -> None:
    catalog = Catalog(1)
    catalog.put("a", vector(1), hidden=True)
    assert "a" in catalog
    assert catalog.live.tolist() == [False]
    catalog.put("a", vector(1), fingerprint="x")
    assert catalog.live.tolist() == [True]
    catalog.remove("a")
    catalog.put("a", vector(2), hidden=True, fingerprint="y")
    assert "a" in catalog
    assert catalog.live.tolist() == [False]
    assert catalog.fingerprint("a") == "y"


def test_removing_what_is_unknown_or_removed_changes_nothing() -> None:
    catalog = Catalog(1)
    catalog.put("a", vector(1))
    catalog.remove("never seen")
    catalog.remove("a")
    catalog.remove("a")
    assert len(catalog) == 0
    assert len(catalog.item_ids) == 1
    assert catalog.fingerprint("never seen") == ""


@pytest.mark.parametrize(
    ("bad", "advice"),
    [
        (vector(1), "encode the item again"),
        (vector(1, 2, 3), "encode the item again"),
        (vector(1, float("nan")), "look for NaN"),
        (vector(float("inf"), 0), "look for NaN"),
        (vector(MAX_LENGTH, MAX_LENGTH), "normalise it"),
    ],
)
def test_a_vector_that_cannot_be_held_is_refused_with_advice(bad: np.ndarray, advice: str) -> None:
    catalog = Catalog(2)
    catalog.put("a", vector(1, 2), fingerprint="x")
    with pytest.raises(ValueError, match=advice):
        catalog.put("a", bad, fingerprint="y")
    with pytest.raises(ValueError, match=advice):
        catalog.put("new", bad)
    assert catalog.item_ids == ["a"]
    assert catalog.vectors.tolist() == [[1, 2]]
    assert catalog.fingerprint("a") == "x"


def test_an_empty_id_and_an_empty_catalog_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="non-empty id"):
        Catalog(1).put("", vector(1))
    with pytest.raises(ValueError, match="at least 1"):
        Catalog(0)


def test_two_ids_of_one_key_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.recommend.catalog.item_key", lambda item_id: len(item_id))
    catalog = Catalog(1)
    catalog.put("ab", vector(1))
    with pytest.raises(ValueError, match=r"'cd' and 'ab' .* rename one"):
        catalog.put("cd", vector(2))
    assert catalog.item_ids == ["ab"]


def test_views_cannot_be_written() -> None:
    catalog = Catalog(1)
    catalog.put("a", vector(1))
    with pytest.raises(ValueError, match="read-only"):
        catalog.vectors[0] = 5


@given(st.lists(st.tuples(st.sampled_from(["put", "hide", "remove"]), IDS, st.floats(-10, 10, width=32))))
def test_the_catalog_is_a_dictionary_with_stable_rows(steps: list[tuple[str, str, float]]) -> None:
    catalog = Catalog(1, capacity=1)
    rows: dict[str, int] = {}
    values: dict[str, float] = {}
    state: dict[str, str] = {}
    for verb, item_id, value in steps:
        if verb == "remove":
            catalog.remove(item_id)
            state.pop(item_id, None)
        else:
            row = catalog.put(item_id, vector(value), hidden=verb == "hide")
            assert rows.setdefault(item_id, len(rows)) == row
            values[item_id], state[item_id] = value, verb
    assert catalog.row_of == {item_id: row for item_id, row in rows.items() if item_id in state}
    assert catalog.row_of_key == {item_key(item_id): row for item_id, row in rows.items()}
    assert catalog.vectors[:, 0].tolist() == [values[item_id] for item_id in rows]
    assert len(catalog) == len(state)
    assert [item_id in catalog for item_id in rows] == [item_id in state for item_id in rows]
    assert catalog.live.tolist() == [state.get(item_id) == "put" for item_id in rows]
    assert catalog.max_length >= max(map(abs, values.values()), default=0)


def test_a_follower_is_told_each_row_that_changed_once() -> None:
    catalog, vector = Catalog(2), np.ones(2, dtype=np.float32)
    catalog.put("a", vector)
    changes, other = catalog.follow(), catalog.follow()
    catalog.put("b", vector)
    assert changes.take().tolist() == [0, 1]
    assert changes.take().tolist() == []
    for item_id in ("c", "a", "c"):
        catalog.put(item_id, vector, hidden=True)
    catalog.remove("b")
    catalog.remove("unknown")
    assert changes.take().tolist() == [0, 1, 2]
    assert other.take().tolist() == [0, 1, 2]
