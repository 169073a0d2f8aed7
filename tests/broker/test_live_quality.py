"""The scripts that judge a running worker: each visit gets a list of its own, and `evaluate` judges the same visits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson

from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from tests.broker.conftest import MakeSettings
from tests.broker.workers import SMALL, command, environment, running_worker

FEED_S = 300.0
START, MINUTE = 1_600_000_000_000, 60_000
USERS, VISITS, ITEMS = 5, 6, 40


def files(folder: Path) -> Path:
    """Items, and visits of two events each; users come in turn."""
    items = [{"item_id": f"i{n}", "title": f"thing {n} of kind {n % 7}"} for n in range(ITEMS)]
    events = [
        {
            "event_id": f"e{2 * visit + part}",
            "user_id": f"u{visit % USERS}",
            "action": "click",
            "item_id": f"i{(3 * visit + 11 * part) % ITEMS}",
            "timestamp": START + visit * MINUTE,
        }
        for visit in range(USERS * VISITS)
        for part in range(2)
    ]
    for name, records in (("items", items), ("events", events)):
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in records))
    return folder


def script(settings: Settings, name: str, *words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", f"tests.broker.{name}", *words]
    return subprocess.Popen(line, env=environment(settings), stdout=subprocess.PIPE, text=True)


def test_a_running_worker_is_judged_on_a_list_for_each_visit(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    own = {"recommender": "hybrid", "learn_items": True, "partitions": 1, "recommend_interval_s": 0.0}
    settings = make_settings(**{**SMALL, **own})
    topics.create(settings)
    data = str(files(tmp_path))
    with script(settings, "live_feed", "files", data) as feed, running_worker(settings):
        told, _ = feed.communicate(timeout=FEED_S)
    assert f"visits {USERS * VISITS} unanswered 0" in told
    named = (
        "--dataset",
        "files",
        "--recommender",
        "hybrid",
        "--after-visit",
        "--out",
        str(tmp_path / "report"),
    )
    command(settings, "evaluate", data, *named)
    (kept,) = (tmp_path / "report" / "kept").glob("hybrid-*.npz")
    with script(settings, "live_quality", "--novel", "--kept", str(kept)) as judge:
        told, _ = judge.communicate(timeout=FEED_S)
    assert "lists of the user's last event 1.0000" in told
    assert "worker / evaluate" in told
