"""What a worker learns of items on a real Kafka: counted once, kept through restarts, and shown to every worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from streams.catalog.learned import read_learned
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from streams.state.changelog import CONTROL_KEYS
from streams.state.items.layout import ItemLayout
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.test_worker import clicks, event, items, latest
from tests.broker.workers import SMALL, run_worker

LEARNING: dict[str, Any] = {**SMALL, "partitions": 2, "learn_items": True, "learned_interval_s": 0.2}


def counts_in(read_topic: ReadTopic, settings: Settings) -> dict[str, int]:
    """How often each item was used, by the newest record of its state."""
    layout, found = ItemLayout(), dict[str, Any]()
    for message in read_topic(settings.topics.items_state):
        if message.key() not in CONTROL_KEYS:
            row = np.frombuffer(message.value(), layout.dtype)[0]
            before = found.get(message.key().decode())
            if before is None or row["offset"] >= before["offset"]:
                found[message.key().decode()] = row
    return {item: int(row["item"]["uses"]) for item, row in found.items()}


def learned_in(read_topic: ReadTopic, settings: Settings) -> dict[str, int]:
    """The same, by the records for every worker."""
    messages = read_topic(settings.topics.learned)
    rows, at = read_learned([message.value() for message in messages])
    assert len(at) == len(messages)
    best: dict[str, tuple[Any, int]] = {}
    for message, row in zip(messages, rows, strict=True):
        version = tuple(row[name] for name in ("generation", "epoch", "offset"))
        item = message.key().decode()
        if item not in best or version >= best[item][0]:
            best[item] = version, int(row["item"]["uses"])
    return {item: uses for item, (_, uses) in best.items()}


def used(records: list[tuple[bytes, bytes]]) -> Counter[str]:
    return Counter(orjson.loads(value)["item_id"] for _, value in records)


def test_each_use_counts_once_through_restarts_and_is_shown(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic
) -> None:
    settings = make_settings(**LEARNING)
    topics.create(settings)
    assert topics.check(settings) == []
    produce(settings.topics.items, items())
    events = clicks(300)
    write: Callable[[list[Any]], None] = lambda some: produce(settings.topics.raw_sources[0].topic, some)  # noqa: E731
    write(events)
    log = run_worker(settings)
    assert "what was learned of 0 items is loaded" in log
    assert counts_in(read_topic, settings) == learned_in(read_topic, settings) == used(events)
    # An item that is not in the catalog counts, too; a dislike does not.
    more = [*clicks(100, first=300), event(900, "u1", "unknown")]
    write([*more, event(901, "u1", "i1", action="dislike")])
    log = run_worker(settings)
    assert f"what was learned of {len(used(events))} items is loaded" in log
    assert counts_in(read_topic, settings) == learned_in(read_topic, settings) == used([*events, *more])


def test_without_it_no_topic_of_items_is_made_or_asked_for(
    make_settings: MakeSettings, read_topic: ReadTopic
) -> None:
    settings = make_settings(**{**LEARNING, "learn_items": False})
    made = topics.create(settings)
    assert not {settings.topics.learned, settings.topics.item_signals, settings.topics.items_state} & set(
        made
    )
    assert topics.check(settings) == []


def test_the_hybrid_recommender_reads_what_was_learned(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic
) -> None:
    """Two users who used nearly the same are recommended what the other one used beside it."""
    settings = make_settings(**LEARNING, recommender="hybrid", top_k=5)
    topics.create(settings)
    produce(settings.topics.items, items())
    both = [event(n, f"u{n % 2}", f"i{n // 2}") for n in range(12)]
    produce(settings.topics.raw_sources[0].topic, [*both, event(20, "u0", "i38"), event(21, "u1", "i39")])
    run_worker(settings)
    # Recommendations that came before the items were known are older.
    produce(settings.topics.raw_sources[0].topic, [event(22, "u0", "i0"), event(23, "u1", "i0")])
    run_worker(settings)
    found = latest(read_topic(settings.topics.recommendations))
    shown = {user: [item["item_id"] for item in record["items"]] for user, record in found.items()}
    assert "i39" in shown["u0"]
    assert "i38" in shown["u1"]
