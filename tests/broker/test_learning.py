"""What a worker learns of items on a real Kafka: counted once, kept through restarts, and shown to every worker."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import orjson

from streams.catalog.learned import RANKER_KEY, read_learned, read_ranker
from streams.kafka.topics import specifications as topics
from streams.local_kafka.local_kafka import free_port
from streams.recommend.learned.parameters import Stored
from streams.settings.settings import Settings
from streams.state.changelog import CONTROL_KEYS
from streams.state.items.layout import ItemLayout
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.test_worker import ITEMS, clicks, event, items, latest
from tests.broker.towers import Vectors, Watched, watched
from tests.broker.workers import SMALL, command, eventually, is_ready, run_worker, running_worker

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


def rounds(first: int, count: int, users: int = 12) -> list[tuple[bytes, bytes]]:
    """What each user uses next: the item behind the one before, and each user begins elsewhere."""
    return [
        event(users * number + user, f"u{user}", f"i{(3 * user + number) % ITEMS}")
        for number in range(first, first + count)
        for user in range(users)
    ]


def ranker_versions(read_topic: ReadTopic, settings: Settings) -> list[int]:
    written = [m.value() for m in read_topic(settings.topics.learned) if m.key() == RANKER_KEY]
    return [Stored.from_bytes(read_ranker(value)[1]).version for value in written]


def test_workers_learn_to_rank_together_and_a_restarted_one_goes_on(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic
) -> None:
    own = {**LEARNING, "recommender": "hybrid", "history_length": 32, "exclude_consumed": False}
    both = [make_settings(**own, metrics_port=free_port()) for _ in range(2)]
    settings = both[0]
    topics.create(settings)
    produce(settings.topics.items, items())
    raw = settings.topics.raw_sources[0].topic
    produce(raw, rounds(0, 1))
    with running_worker(both[0]), running_worker(both[1]):
        for one in both:
            port = one.observation.metrics_port
            eventually(lambda port=port: is_ready(port), "readiness")
        numbers = iter(range(1, 1000))

        def followed() -> bool:
            produce(raw, rounds(next(numbers), 1))
            time.sleep(0.5)
            shown = [metric(one, "ranker_version") for one in both]
            judged = [metric(one, "judged_lists_total") for one in both]
            return min(shown) > 0 and min(judged) > 0

        eventually(followed, "a ranker that both have taught and taken")
    versions = ranker_versions(read_topic, settings)
    assert versions == sorted(versions)
    log = run_worker(both[0])
    assert f"the ranker goes on from version {versions[-1]}" in log
    shown = command(settings, "ranker", "show", "--topic")
    assert f"linear ranker, version {ranker_versions(read_topic, settings)[-1]}" in shown


def test_workers_learn_vectors_together_and_a_restarted_one_has_them(
    make_settings: MakeSettings, produce: Produce, tmp_path: Path
) -> None:
    own = {**LEARNING, "recommender": "hybrid", "history_length": 32, "exclude_consumed": False}
    both = [make_settings(**own, metrics_port=free_port()) for _ in range(2)]
    topics.create(both[0])
    produce(both[0].topics.items, items())
    raw = both[0].topics.raw_sources[0].topic
    produce(raw, rounds(0, 1))
    with watched(tmp_path, *both) as workers:
        for one in both:
            eventually(lambda one=one: is_ready(one.observation.metrics_port), "readiness")
        numbers = iter(range(1, 1000))

        def taught() -> bool:
            produce(raw, rounds(next(numbers), 1))
            time.sleep(0.5)
            return all(metric(one, "judged_lists_total") >= 20 for one in both)

        eventually(taught, "lists that both workers have learned from")
        judged = sum(metric(one, "judged_lists_total") for one in both)
        before = eventually(lambda: equal(*workers), "the same vectors in both workers")
        # Each learned from its own users' lists, and has what both have learned.
        assert sum(uses for uses, _ in before.values()) >= judged
        for worker in workers:
            worker.leave()
    with watched(tmp_path / "again", both[0]) as (again,):
        eventually(lambda: is_ready(both[0].observation.metrics_port), "readiness")
        assert eventually(lambda: again.vectors(), "vectors") == before
        assert (
            f"the two-tower vectors go on from {sum(uses for uses, _ in before.values())} uses" in again.log
        )


def equal(one: Watched, other: Watched) -> Vectors | None:
    """The vectors of both workers, where all is added up and they are the same."""
    if any(metric(worker.settings, "tower_unmerged_items") for worker in (one, other)):
        return None
    found = one.vectors()
    return found if found is not None and found == other.vectors() else None


def metric(settings: Settings, name: str) -> float:
    """A worker's own, as it shows it; 0 where it does not yet."""
    with urlopen(f"http://127.0.0.1:{settings.observation.metrics_port}/metrics", timeout=5) as answer:
        found = re.search(rf"^interestflow_{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0
