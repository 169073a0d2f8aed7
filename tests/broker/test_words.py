"""What events say, on a real Kafka: comments weighed by their sentiment, behaviour counted as its words."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import numpy as np
import orjson
import pytest

from encoders.text.hashing import HashingEncoder
from streams.history import replay
from streams.kafka.topics import specifications as topics
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.test_worker import event, items, latest
from tests.broker.workers import SMALL, run_worker


def test_comments_pull_and_push_behaviour_is_read_and_a_replay_finds_the_same(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic
) -> None:
    settings = make_settings(**SMALL, partitions=2, sentiment="lexicon", behaviour_as_text=True)
    topics.create(settings)
    produce(settings.topics.items, items(3))
    texts = {"fan": "love it", "critic": "terrible, broke after a day"}
    raw = settings.topics.raw_sources[0].topic
    produce(
        raw,
        [event(n, user, "i1", action="comment", text=text) for n, (user, text) in enumerate(texts.items())],
    )
    produce(raw, [event(9, "buyer", "i2", action="purchase")])
    run_worker(settings)
    titles = [orjson.loads(m.value())["title"] for m in read_topic(settings.topics.embeddings)]
    assert sorted(titles) == ["red thing 0", "red thing 1", "red thing 2"]
    vectors = {user: vector(record) for user, record in latest(read_topic(settings.topics.vectors)).items()}
    commented, bought = HashingEncoder(16).encode(["commented on red thing 1", "bought red thing 2"])
    assert vectors["fan"] @ commented > 0.7
    assert vectors["critic"] @ commented < -0.7
    assert vectors["buyer"] == pytest.approx(bought, abs=1e-5)
    verdict = replay.verify(settings)
    assert (verdict.users, verdict.equal) == (3, True)
    # Without it, a replay would find something else.
    assert "critic" in replay.verify(settings.model_copy(update={"sentiment": "none"})).differing


def vector(record: dict[str, Any]) -> Any:
    return np.frombuffer(b64decode(record["vector"]), "<f4")
