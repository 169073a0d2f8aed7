"""What events say of items: each use once, when it is read first, whatever the batches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from streams.items.signals import COLUMNS, NO_KEY, ItemSignals
from streams.kernels.compiling import numpy_only
from streams.recommend.catalog import item_key
from tests.streams.flows import Record, apply, item_vector, make_flow, record, settle


def some(count: int = 60) -> list[Record]:
    """Clicks, ratings and dislikes of four users on eight items and on three that are unknown."""
    rng, found = np.random.default_rng(3), []
    for offset in range(count):
        item = f"i{rng.integers(11)}"
        action = ("click", "click", "rate", "dislike", "search")[rng.integers(5)]
        more: dict[str, Any] = {"value": int(rng.integers(1, 6))} if action == "rate" else {}
        if action == "search":
            more, item = {"text": "hat"}, None  # type: ignore[assignment]
        found.append(record(offset, f"u{rng.integers(4)}", item, action=action, **more))
    return found


def said_by(records: list[Record], size: int, **options: Any) -> list[bytes]:
    """All that is said in batches of so many records, a column each."""
    flow = make_flow(learn_items=True, **options)
    runs = [apply(flow, records[at : at + size]).said.signals for at in range(0, len(records), size)]
    whole = ItemSignals.joined(runs)
    return [getattr(whole, name).tobytes() for name in COLUMNS]


def test_nothing_is_said_unless_it_is_asked_for() -> None:
    assert len(apply(make_flow(), [record(0)]).said.signals) == 0


@pytest.mark.parametrize("size", [1, 7, 60])
def test_batches_make_no_difference(size: int) -> None:
    assert said_by(some(), size) == said_by(some(), 25)


def test_compiled_or_not_makes_no_difference() -> None:
    compiled = said_by(some(), 9)
    with numpy_only():
        assert said_by(some(), 9) == compiled


def test_states_and_vectors_are_the_same_with_it_and_without() -> None:
    plain, learning = (apply(make_flow(**options), some()) for options in ({}, {"learn_items": True}))
    assert (plain.state, plain.vectors, plain.outcomes) == (
        learning.state,
        learning.vectors,
        learning.outcomes,
    )


def test_each_positive_event_says_once_that_its_item_was_used_known_or_not() -> None:
    flow = make_flow(learn_items=True)
    clicks = [record(n, f"u{n % 3}", f"i{n % 10}") for n in range(40)]
    clicks.append(record(40, "u0", "i1", action="dislike"))
    found = apply(flow, clicks).said
    uses = found.signals.only(found.signals.others == NO_KEY)
    assert uses.offsets.tolist() == list(range(40))
    assert Counter(uses.items.tolist()) == Counter(item_key(f"i{n % 10}") for n in range(40))
    assert found.names == {item_key(name): name for name in ("i8", "i9")}
    assert np.all((uses.weights > 0) & (uses.weights <= 1))
    assert np.all(uses.sessions != NO_KEY)


def test_an_event_that_waited_has_nothing_more_to_say() -> None:
    flow = make_flow(learn_items=True)
    apply(flow, [record(0, item="late"), record(1, item="i1")])
    flow.catalog.put("late", item_vector(77))
    (decoded,) = flow.ready_events().values()
    updated = settle(flow, 0, decoded)
    assert updated.outcomes["late"] == 1
    assert len(updated.said.signals) == 0


def test_of_halves_of_a_batch_that_cannot_be_folded_at_once_all_is_said_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = make_flow(learn_items=True)
    update = flow.model.update

    def fails(states: Any, signals: Any) -> Any:
        if len(signals) > 3 or 5.0 in signals.times - record(0).timestamp:
            raise ValueError("too many")
        return update(states, signals)

    monkeypatch.setattr(flow.model, "update", fails)
    found = apply(flow, [record(n, item=f"i{n % 8}") for n in range(10)]).said.signals
    uses = found.offsets[found.others == NO_KEY]
    assert uses.tolist() == list(range(10))
    assert np.all(np.diff(found.offsets) >= 0)
