"""The table of all items, against the states that were put into it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.items.layout import BLOCK_MS, HALF_LIVES_MS, RECENT_HALF_LIFE_MS, SESSIONS
from streams.items.sessions import Sessions
from streams.items.slots import Slots
from streams.items.states import ItemStates
from streams.items.table import LASTING, LISTS, RECENT, ItemTable
from streams.kernels.compiling import numpy_only
from tests.streams.items.parts import T0, Items, drawn, signals_of


def in_rows(table: ItemTable) -> tuple[bytes, ...]:
    columns = (table.uses, table.newest, table.sums, table.neighbours, table.weights, table.rings)
    return tuple(column.tobytes() for column in columns)


def test_it_holds_what_was_folded() -> None:
    items = Items(list(range(1, 200)))
    states = ItemStates(ItemTable(items))
    for seed in range(5):
        signals, _ = drawn(seed, 400, 8, 150)
        assert set(states.fold(signals).tolist()) == set(signals.items.tolist())
    table = states.table
    assert table is not None
    rows = states.keys.astype(np.int64) - 1
    for name in ("uses", "newest", "sums"):
        np.testing.assert_array_equal(getattr(table, name)[rows], states.states[name])
    assert table.latest == states.states["newest"].max()
    assert len(table) == 199
    neighbours, weights = table.neighbours_of(rows.astype(np.int32), T0 + BLOCK_MS)
    for at, name in enumerate(LISTS):
        np.testing.assert_array_equal(neighbours[:, at], states.states[name].astype(np.int64) - 1)
    np.testing.assert_array_equal(weights[:, LASTING], states.states["lasting_weights"])
    late = 2.0 ** (
        -((T0 + BLOCK_MS) - states.states["block"].astype(np.int64) * BLOCK_MS) / RECENT_HALF_LIFE_MS
    )
    np.testing.assert_allclose(weights[:, RECENT], states.states["recent_weights"] * late[:, None], rtol=1e-5)
    later = table.decayed(rows.astype(np.int32), table.latest + HALF_LIVES_MS[0])
    assert later.shape == (8, 6)
    np.testing.assert_array_less(later[:, 0], states.states["sums"][:, 0] / 1.9)


def test_what_the_catalog_does_not_know_waits_for_it() -> None:
    ahead, behind = Items(list(range(1, 160))), Items([3])
    whole, late = ItemTable(ahead), ItemTable(behind)
    states = ItemStates()
    for seed in range(3):
        changed = states.fold(drawn(seed, 400, 8, 150)[0])
        for table in (whole, late):
            table.put(changed, states.of(changed))
    assert late.waiting == 8
    behind.known[:] = [3, *range(100, 160)]
    late.refresh()
    assert late.waiting == 8
    behind.known += [key for key in range(1, 100) if key != 3]
    late.refresh()
    assert late.waiting == 0
    order = [behind.known.index(key) for key in ahead.known]
    np.testing.assert_array_equal(late.uses[order], whole.uses)
    np.testing.assert_array_equal(late.rings[order], whole.rings)
    there = late.neighbours[order]
    np.testing.assert_array_equal(
        np.where(there < 0, -1, np.array(behind.known)[there] - 1), whole.neighbours
    )


def test_it_is_the_same_without_compiled_code() -> None:
    def fed() -> ItemTable:
        items = Items(list(range(1, 5)))
        states = ItemStates(ItemTable(items))
        for seed in range(4):
            states.fold(drawn(seed, 200, 8, 150)[0])
            items.known += range(len(items.known) + 1, 40 * (seed + 1))
        assert states.table is not None
        states.table.refresh()
        return states.table

    table = fed()
    with numpy_only():
        assert in_rows(fed()) == in_rows(table)


def test_states_of_unknown_items_are_empty() -> None:
    states = ItemStates()
    states.fold(signals_of([(1, 0, 1.0, T0, 5)]))
    assert states.of(np.array([7, 1], dtype=np.uint64))["uses"].tolist() == [0, 1]


@given(keys=st.lists(st.integers(1, 2**64 - 1), unique=True, max_size=3000), cut=st.integers(0, 3000))
@settings(max_examples=20, deadline=None)
def test_rows_of_keys(keys: list[int], cut: int) -> None:
    def found() -> list[int]:
        slots = Slots()
        for part in (keys[:cut], keys[cut:]):
            slots.enter(np.array(part, dtype=np.uint64))
        rows, missing = slots.rows(np.array([[*keys, 0, 2**63 + 12345]], dtype=np.uint64))
        assert missing == (2**63 + 12345 not in keys)
        return rows[0].tolist()

    rows = found()
    assert rows[: len(keys)] == list(range(len(keys)))
    assert rows[len(keys)] == -1
    with numpy_only():
        assert found() == rows


@pytest.mark.parametrize("plain", [False, True])
def test_sessions_turned_round_are_what_the_rings_say(plain: bool) -> None:
    def grown(steps: int) -> tuple[Sessions, np.ndarray]:
        rng = random.Random(steps)
        sessions, rings = Sessions(), np.zeros((40, SESSIONS), dtype=np.uint64)
        for step in range(steps):
            rows = np.array(rng.sample(range(40), 5))
            after = rings[rows].copy()
            for ring in after:
                for _ in range(rng.choice([0, 1, 70])):
                    new = rng.randrange(1, 300 + 100 * step)
                    if new not in ring:
                        ring[rng.randrange(SESSIONS)] = new
            sessions.exchange(rows, rings[rows], after)
            rings[rows] = after
        return sessions, rings

    sessions, rings = grown(60)
    keys = np.array([*np.unique(rings), 10**9], dtype=np.uint64)
    if plain:
        with numpy_only():
            sessions, rings = grown(60)
            rows, ends = sessions.items(keys, 40)
    else:
        rows, ends = sessions.items(keys, 40)
    begins = [0, *ends.tolist()]
    for key, begin, end in zip(keys.tolist(), begins, ends.tolist(), strict=False):
        expected = set(np.flatnonzero((rings == key).any(axis=1)).tolist()) if key else set()
        assert set(rows[begin:end].tolist()) == expected
        assert len(expected) == end - begin
    with numpy_only():
        other, _ = grown(60)
        assert [part.tolist() for part in other.items(keys, 3)] == [
            p.tolist() for p in sessions.items(keys, 3)
        ]
