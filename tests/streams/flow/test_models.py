"""What the flow does with a model of another kind: several vectors, deltas of items, and no exact attribution."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import numpy as np
import orjson
import pytest

from streams.flow.flow import Flow
from streams.flow.outputs import Writer
from streams.interest.base import (
    NO_ITEM,
    Change,
    Explainable,
    InterestModel,
    Interests,
    ItemDeltas,
    Longs,
    Signals,
    States,
    unit,
)
from streams.interest.decay import DecayModel, HalfLife
from streams.recommend import Catalog, ContentRecommender
from streams.state.users.layout import UserLayout
from streams.state.users.partition import UserPartition
from tests.streams.flows import DIM, apply, item_vector, make_flow, record, vectors

SHARES = (0.75, 0.25)
VALUES = np.dtype([("weight", "<f4")])


class Pair:
    """The short-term and the long-term interest as two vectors; tells each item how strongly it was met."""

    name, dim, version = "pair", DIM, "1"

    def __init__(self) -> None:
        self._sums = DecayModel(DIM, HalfLife(1, "events"), HalfLife(1000, "events"))

    def state_dtype(self) -> np.dtype[Any]:
        return self._sums.state_dtype()

    def times(self, states: States) -> Longs:
        return self._sums.times(states)

    def counts(self, states: States) -> Longs:
        return self._sums.counts(states)

    def update(self, states: States, signals: Signals) -> Change:
        late = self._sums.update(states, signals).late
        about = np.flatnonzero(signals.items != NO_ITEM)
        values = signals.weights[about].view(VALUES)
        return Change(late, ItemDeltas(signals.items[about], about, values))

    def interest(self, states: States) -> Interests:
        shares = np.tile(np.array(SHARES, dtype=np.float32), (len(states), 1))
        return Interests(unit(states["sums"]), shares)


def made() -> Flow:
    plain = make_flow(exclude_consumed=False)
    model, catalog = Pair(), Catalog(DIM)
    for index in range(8):
        catalog.put(f"i{index}", item_vector(index))
    writer, layout = Writer("pair", 1, "base64"), UserLayout(model, 4, "space")
    flow = Flow(model, layout, catalog, ContentRecommender(), plain.event_weights, writer, plain.options)
    flow.partitions[0] = UserPartition(0, layout)
    return flow


def test_several_vectors_are_published_and_each_finds_items_of_its_own() -> None:
    flow = made()
    model: InterestModel = flow.model
    assert not isinstance(model, Explainable)
    assert isinstance(make_flow().model, Explainable)
    events = [record(number, item="i2") for number in range(9)] + [record(9, item="i6")]
    found = vectors(apply(flow, events))["u"]
    assert "vector" not in found
    assert found["shares"] == list(SHARES)
    short, long = (np.frombuffer(b64decode(one), dtype="<f4") for one in found["vectors"])
    assert short @ item_vector(6) > short @ item_vector(2)
    assert long @ item_vector(2) > long @ item_vector(6)
    ((_, value),) = flow.recommend(0, np.array([0]))
    items = {item["item_id"]: item for item in orjson.loads(value)["items"]}
    for number, item in items.items():
        vector = item_vector(int(number[1:]))
        assert item["score"] == pytest.approx(max(0.75 * short @ vector, 0.25 * long @ vector), abs=1e-5)
        # The model cannot say which events made its vectors, so none is a reason.
        assert (item["reasons"], item["other"]) == ([], item["score"])


def test_what_a_model_says_of_items_comes_with_the_offsets_of_its_events() -> None:
    flow = made()
    updated = apply(
        flow,
        [
            record(3, "a", item="i2"),
            record(4, "b", item=None, action="search", text="red mug"),
            record(5, "a", item="i5", action="dislike"),
            record(6, "b", item="missing"),
        ],
    )
    ((offsets, deltas),) = updated.item_deltas
    told = zip(offsets.tolist(), deltas.items.tolist(), deltas.values["weight"].tolist(), strict=True)
    assert sorted((offset, row, weight > 0) for offset, row, weight in told) == [(3, 2, True), (5, 5, False)]
    assert apply(make_flow(), [record(0)]).item_deltas == []
