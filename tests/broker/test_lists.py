"""What may stand in a list, on a real Kafka: what the catalog keeps out, and what the steps behind the ranker do."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.test_worker import ITEMS, clicks, event, latest
from tests.broker.workers import SMALL, run_worker

STEPS: dict[str, Any] = {
    **SMALL,
    "partitions": 2,
    "learn_items": True,
    "recommender": "hybrid",
    "top_k": 10,
    "exclude_consumed": False,
    "recommend_allowed": "market=de",
    "ranking_caps": "categories=3",
    "ranking_floors": "categories:c1=0.3",
    "ranking_shown_penalty": 1.0,
}
CATEGORIES = 5


def item(number: int, **fields: Any) -> tuple[bytes, bytes]:
    """One of category c(number % 5); every tenth is not for the market, every eighth out of stock."""
    own = {
        "item_id": f"i{number}",
        "title": f"red thing {number}",
        "categories": [f"c{number % CATEGORIES}"],
        "attributes": {"market": "de" if number % 10 != 9 else "fr"},
        "in_stock": number % 8 != 0,
    }
    return f"i{number}".encode(), orjson.dumps({**own, **fields})


def lists(read_topic: ReadTopic, settings: Settings) -> dict[str, list[int]]:
    found = latest(read_topic(settings.topics.recommendations))
    return {user: [int(one["item_id"][1:]) for one in record["items"]] for user, record in found.items()}


def test_lists_hold_what_they_may_and_what_they_must(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic
) -> None:
    settings = make_settings(**STEPS)
    topics.create(settings)
    produce(settings.topics.items, [item(number) for number in range(ITEMS)])
    raw = settings.topics.raw_sources[0].topic
    produce(raw, clicks(200))
    run_worker(settings)
    found = lists(read_topic, settings)
    assert found
    for listed in found.values():
        assert not [number for number in listed if number % 10 == 9 or number % 8 == 0]
        assert max(Counter(number % CATEGORIES for number in listed).values()) <= 3
        assert len(listed) == len(set(listed)) >= 8
    # What comes in again is shown again.
    produce(settings.topics.items, [item(0, in_stock=True)])
    produce(raw, [event(1000 + n, f"u{n % 20}", "i0") for n in range(40)])
    run_worker(settings)
    shown = {number for listed in lists(read_topic, settings).values() for number in listed}
    assert 0 in shown
    assert not [number for number in shown if number % 10 == 9 or number in range(8, ITEMS, 8)]
