"""Feedback on a real Kafka: what was shown and used counts once, through workers that are killed."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import orjson
import pytest

from streams.flow.feedback.ids import item_id
from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from streams.state.changelog import PROGRESS_KEY, FeedbackCounts, Progress
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.test_worker import ITEMS, T0, event, items, latest
from tests.broker.workers import SMALL, eventually, run_worker, spawn

WINDOW_S, USERS = 500, 12
# Small batches, so that a kill finds many on their way.
FEEDBACK: dict[str, Any] = {
    **SMALL,
    "partitions": 2,
    "batch_events": 10,
    "feedback": True,
    "feedback_window_s": WINDOW_S,
    "feedback_remembered": 200,
}


def acts(first: int, count: int) -> list[tuple[int, str, str, bool, int]]:
    """Number, user, item, whether it was shown (or clicked), and seconds; seeded."""
    found = []
    for number in range(first, first + count):
        rng = Random(number)
        user, item = f"u{rng.randrange(USERS)}", f"i{rng.randrange(ITEMS)}"
        found.append((number, user, item, rng.random() < 0.6, 3 * number))
    return found


def written(some: list[tuple[int, str, str, bool, int]]) -> list[tuple[bytes, bytes]]:
    records = []
    for number, user, item, impression, second in some:
        own = item_id(0, number % 2, "own", f"1-0-{number}-1-{user}")
        fields = {"action": "impression", "recommendation_id": own} if impression else {}
        records.append(event(number, user, item, timestamp=T0 + 1000 * second, **fields))
    return records


def by_hand(some: list[tuple[int, str, str, bool, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    waiting: dict[tuple[str, str], tuple[int, str]] = {}
    for number, user, item, impression, second in some:
        for key in [key for key in waiting if key[0] == user]:
            since, arm = waiting[key]
            answered = key[1] == item
            if since + WINDOW_S < second or answered:
                del waiting[key]
                late = since + WINDOW_S < second
                outcome = "ignored" if late else "displaced" if impression else "used"
                found[f"{outcome}.{arm}.own"] += 1
        if impression:
            arm = ("exploit", "explore")[number % 2]
            waiting[user, item] = second, arm
            found[f"shown.{arm}.own"] += 1
    return found


def progress(read_topic: ReadTopic, settings: Settings) -> dict[int, Progress]:
    newest: dict[int, Progress] = {}
    for message in read_topic(settings.topics.state):
        if message.key() == PROGRESS_KEY:
            known = newest.get(message.partition())
            newest[message.partition()] = Progress.newest(known, message.value())
    return newest


def counted(read_topic: ReadTopic, settings: Settings) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in progress(read_topic, settings).values():
        if isinstance(one.feedback, FeedbackCounts):
            found.update(one.feedback.counts)
    return found


@pytest.mark.parametrize("learns", [False, True])
def test_what_was_shown_counts_once_through_kills(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic, learns: bool
) -> None:
    settings = make_settings(**FEEDBACK, learn_items=learns)
    topics.create(settings)
    produce(settings.topics.items, items())
    raw, log = settings.topics.raw_sources[0].topic, acts(0, 1600)
    for begin in range(0, 1200, 400):
        before = sum(counted(read_topic, settings).values())

        def moved(before: int = before) -> bool:
            return sum(counted(read_topic, settings).values()) > before

        produce(raw, written(log[begin : begin + 400]))
        worker = spawn(settings)
        try:
            eventually(moved, "feedback counted")
        finally:
            worker.kill()
            worker.communicate()
    produce(raw, written(log[1200:]))
    run_worker(settings)
    assert counted(read_topic, settings) == by_hand(log)


def test_an_item_that_was_recommended_comes_back(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic
) -> None:
    settings = make_settings(**{**FEEDBACK, "recommender": "hybrid", "reason_language": "en"})
    topics.create(settings)
    produce(settings.topics.items, items())
    raw = settings.topics.raw_sources[0].topic
    produce(raw, [event(0, "u1", "i1")])
    run_worker(settings)
    first, *_ = latest(read_topic(settings.topics.recommendations))["u1"]["items"]
    assert first["sentence"].startswith("Because you used ")
    own = first["recommendation_id"]
    shown = event(1, "u1", first["item_id"], action="impression", recommendation_id=own)
    produce(raw, [shown, event(2, "u1", first["item_id"])])
    run_worker(settings)
    assert counted(read_topic, settings) == {"shown.exploit.content": 1, "used.exploit.content": 1}
    assert b"recommendation_id" in orjson.dumps(latest(read_topic(settings.topics.recommendations))["u1"])
