"""Sentences and paths in the records of recommendations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from streams.flow.flow import Flow
from streams.items.signals import NO_KEY, ItemSignals
from streams.items.states import ItemStates
from streams.items.table import ItemTable
from streams.kernels import compiling
from streams.recommend.learned.hybrid import HybridRecommender
from tests.streams.flows import T0, apply, item_vector, make_flow, record


@pytest.fixture(autouse=True)
def _compiled_again() -> Iterator[None]:
    yield
    compiling.choose(True)


def recommended(flow: Flow, user: str = "u") -> list[dict[str, Any]]:
    part = flow.partitions[0]
    ((_, value),) = flow.recommend(0, np.array([part.row_of[user]], dtype=np.int64))
    found: list[dict[str, Any]] = orjson.loads(value)["items"]
    return found


def plain(**options: Any) -> Flow:
    flow = make_flow(6, compiled=False, **options)
    flow.catalog.put("i0", item_vector(0), title='Red "mug"')
    apply(flow, [record(0, action="purchase")])
    return flow


def test_nothing_is_said_unless_it_is_asked_for() -> None:
    (first, *_) = recommended(plain())
    assert set(first) == {"item_id", "score", "reasons", "other"}
    assert "path" not in first["reasons"][0]


def test_a_sentence_names_the_item_by_its_title() -> None:
    flow = plain(reason_language="en")
    for item in recommended(flow):
        positive = [reason for reason in item["reasons"] if reason["contribution"] > 0]
        expected = 'Because you bought Red "mug"' if positive else "It fits you best of all"
        assert item["sentence"] == expected
    flow = plain(reason_language="zh")
    assert '因为你购买过Red "mug"' in {item["sentence"] for item in recommended(flow)}


def test_a_synonym_of_an_action_is_told_as_the_action() -> None:
    flow = make_flow(6, compiled=False, reason_language="en")
    apply(flow, [record(0, action="Bought"), record(1, item="i1", action="wink", user="u")])
    assert "Because you bought i0" in {item["sentence"] for item in recommended(flow)}


def test_what_was_turned_down_is_told_so() -> None:
    flow = make_flow(6, compiled=False, reason_language="en", exclude_consumed=False)
    apply(flow, [record(0, action="dislike")])
    first, *_ = recommended(flow)
    assert first["sentence"] == "Unlike i0, which you turned down"


def test_an_events_path_leads_through_the_vector() -> None:
    flow = plain(reason_paths=True)
    for item in recommended(flow):
        for reason in item["reasons"]:
            assert reason["path"] == {
                "via": "vector",
                "from": {"item_id": "i0", "timestamp": T0},
                "share": 1.0,
            }


def hybrid(**options: Any) -> Flow:
    """All who used i0 used i5 after it."""
    flow = make_flow(8, compiled=False, recommender="hybrid", reasons=8, **options)
    states = ItemStates(ItemTable(flow.catalog))
    keys = flow.catalog.keys
    pairs, uses = 30, 5
    items = np.concatenate((np.repeat(keys[[0]], pairs), np.repeat(keys[[5]], uses)))
    others = np.concatenate((np.repeat(keys[[5]], pairs), np.full(uses, NO_KEY, dtype=np.uint64)))
    number = pairs + uses
    sessions = np.where(others == NO_KEY, np.uint64(7), np.uint64(NO_KEY))
    states.fold(
        ItemSignals(
            items,
            others,
            np.ones(number, np.float32),
            np.full(number, T0),
            sessions,
            np.arange(number),
        )
    )
    assert isinstance(flow.recommender, HybridRecommender)
    assert states.table is not None
    flow.recommender.use_items(states.table)
    apply(flow, [record(0), record(1, item="i1")])
    return flow


def test_a_source_says_from_which_event_it_came_to_the_item() -> None:
    flow = hybrid(reason_language="en", reason_paths=True)
    found = {item["item_id"]: item for item in recommended(flow)}
    reasons = {reason.get("feature"): reason for reason in found["i5"]["reasons"]}
    path = reasons["neighbours"]["path"]
    assert (path["via"], path["from"]["item_id"]) == ("neighbours", "i0")
    assert path["which"] in ("lasting", "recent")
    assert 0 < path["share"] <= 1
    strongest = max(found["i5"]["reasons"], key=lambda reason: reason["contribution"])
    told = {
        "neighbours": "Others used it after i0",
        "content": "It is near what you use",
        "popularity": "Popular right now",
    }
    assert found["i5"]["sentence"] == told.get(strongest.get("feature"), "Because you used i0")
