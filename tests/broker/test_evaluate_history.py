"""`interestflow evaluate --kafka`: the history that a worker wrote, judged."""

from __future__ import annotations

import json
from pathlib import Path

from streams.kafka.topics import specifications as topics
from tests.broker.conftest import MakeSettings, Produce, ReadTopic
from tests.broker.test_worker import clicks, event, items
from tests.broker.workers import SMALL, command, run_worker


def test_the_history_of_a_worker_is_judged(
    make_settings: MakeSettings, produce: Produce, read_topic: ReadTopic, tmp_path: Path
) -> None:
    # Where attributes were not read, no item would be allowed.
    settings = make_settings(**{**SMALL, "partitions": 2, "recommend_allowed": ["market=de"]})
    topics.create(settings)
    produce(settings.topics.items, items(attributes={"market": "de"}, categories=["red"]))
    # The last of an item that is in no catalog: a user's visit all the same.
    produce(settings.topics.raw_sources[0].topic, [*clicks(200), event(200, "u1", "unknown")])
    run_worker(settings)
    # As an ingest that was killed writes an event once more.
    first = read_topic(settings.topics.canonical)[0]
    produce(settings.topics.canonical, [(first.key(), first.value())])
    words = (
        "--recommender",
        "content",
        "--recommender",
        "popularity",
        "--task",
        "all",
        "--out",
        str(tmp_path),
    )
    told = command(settings, "evaluate", "--kafka", *words)
    assert "popularity: NDCG@10" in told
    found = json.loads((tmp_path / "report.json").read_text())
    about = found["about"]
    assert (about["dataset"], about["visits"], about["items"], about["users"]) == ("kafka", 201, 40, 20)
    # Items that were clicked by chance; each method names 20 of 40.
    assert 0.05 < found["contenders"]["content"]["figures"]["hr@20"] < 0.95
    assert found["contenders"]["content"]["figures"]["calibration nats"] is not None
