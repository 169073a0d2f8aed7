"""The settings of each scene: they load, and run over a small stream, as a worker would and before the judge."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from encoders.text.hashing import HashingEncoder
from streams.catalog.items import Item
from streams.demo.streams import STREAMS, Generated
from streams.events.canonical import Event
from streams.history.evaluate.contender import Rows
from streams.history.evaluate.judge import Judge
from streams.history.evaluate.live.contender import Circumstances, LiveContender
from streams.history.evaluate.live.space import build_space
from streams.history.evaluate.visits import build_stream
from streams.settings import configuration
from streams.settings.settings import Settings
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow
from tests.streams.flows import T0, Record, settle

FOLDER = Path(__file__).parents[3] / "deploy" / "scenes"
SCENES = ["advertising", "news", "search", "shop", "video"]
DIM = 16
each = pytest.mark.parametrize("scene", SCENES)


def test_every_scene_is_here() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.toml")) == SCENES


@pytest.fixture
def settings(scene: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # Loading leaves the file's name in the environment.
    monkeypatch.setenv(configuration.CONFIG_VARIABLE, "")
    return configuration.load(FOLDER / f"{scene}.toml", encoder="hashing", dimensions=DIM)


def small(scene: str) -> Generated:
    return STREAMS["news" if scene == "news" else "search"](1, 20, 400)


def event_of(given: dict[str, Any]) -> Event:
    return Event(**given)


@each
def test_a_scene_is_judged(settings: Settings, scene: str, tmp_path: Path) -> None:
    made, lists = small(scene), list[int]()
    items = [Item(**one) for one in made.items]
    stream = build_stream(settings, items, [event_of(one) for one in made.events])
    space = build_space(settings, items, tmp_path)
    repeats = not settings.recommendations.exclude_consumed
    contender = LiveContender(
        settings.recommendations.recommender, space, items, Circumstances(repeats=repeats)
    )

    def watch(number: int, rows: Rows) -> None:
        lists.append(len(rows))

    judged = Judge(stream, "all" if repeats else "novel", watch=watch).run(contender)
    assert len(judged) == len(lists) > 50
    assert np.median(lists) >= 10
    assert judged.per_target("hits20") > 0


@each
def test_a_scene_runs_as_a_worker_does(settings: Settings, scene: str) -> None:
    made, flow = small(scene), build_flow(settings, "hashing@test")
    random = np.random.default_rng(0)
    for one in made.items:
        vector = random.standard_normal(DIM).astype(np.float32)
        flow.catalog.put(one["item_id"], vector, labels=Item(**one).labels())
    part = flow.partitions[0] = UserPartition(0, flow.layout)
    for first in range(0, len(made.events), 100):
        events = made.events[first : first + 100]
        records = [Record(orjson.dumps(one), first + number) for number, one in enumerate(events)]
        settle(flow, 0, flow.decode(records))
        rows = part.rows(sorted({one["user_id"] for one in events}))
        told = [orjson.loads(value) for _, value in flow.recommend(0, rows)]
        assert all(one["items"] for one in told)
    # Of what was shown, users used something, and the ranker learned from it.
    assert flow.next_uses is not None
    assert flow.next_uses.judged > 0
    caps = settings.ranking.cap_sizes()
    by_id = {one["item_id"]: Item(**one).labels() for one in made.items}
    for listed in told:
        for name, most in caps.items():
            values = [value for one in listed["items"] for value in by_id[one["item_id"]].get(name, [])]
            assert max(map(values.count, values)) <= most


def test_the_documented_ordering_of_a_result_list_follows_the_query() -> None:
    page = (FOLDER.parents[1] / "docs" / "scenes.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(example, found)
    encoder = HashingEncoder(256)
    flow = build_flow(Settings(encoder="hashing", dimensions=256), "hashing@test")
    flow.partitions[0] = UserPartition(0, flow.layout)
    query = {"event_id": "1", "user_id": "u", "action": "search", "text": "sourdough flour", "timestamp": T0}
    decoded = flow.decode([Record(orjson.dumps({**query, "source": "t"}), 0)])
    updated = flow.update(0, decoded, encoder.encode(decoded.texts()))
    vector = orjson.loads(updated.vectors[0][1])["vector"]
    results = {
        "chess": "chess board clock",
        "flour": "flour for bread",
        "dough": "sourdough flour",
        "rose": "rose",
    }
    embeddings = dict(zip(results, encoder.encode(list(results.values())), strict=True))
    assert found["ordered"](vector, list(results), embeddings)[:2] == ["dough", "flour"]


@pytest.mark.parametrize("kind", list(STREAMS))
def test_a_generated_stream_is_the_same_each_time(kind: str) -> None:
    one, same, other = (STREAMS[kind](seed, 5, 50) for seed in (0, 0, 1))
    assert one == same
    assert one != other
    times = [event["timestamp"] for event in one.events]
    assert times == sorted(times)
    known = {item["item_id"] for item in one.items}
    assert all(event.get("item_id", one.items[0]["item_id"]) in known for event in one.events)
