"""How good the lists are that a running worker wrote, by a judge of its own: it uses no line of `evaluate`.

    python -m tests.broker.live_quality [--kept REPORT/kept/hybrid-….npz]

The topics of these settings (environment) hold a history of one partition that one worker has folded while `live_feed`
sent it, so that each visit of a user has a list of its own, and `INTERESTFLOW_TOP_K=100`, for items that nobody had
used are struck off: `evaluate` does not show them either. Prints NDCG@10 of the second half with its 95 % interval,
how many of the lists knew all that their user had done, and by how many events they were behind what was learned of
items. --kept: marks of `evaluate` on the same events;
the ratio of both is paired by user.
"""

from __future__ import annotations

import argparse
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from streams.catalog.learned import read_learned
from streams.kafka.clients import client_config
from streams.kafka.reading import read_all
from streams.settings import configuration
from streams.settings.settings import Settings

CHOSEN = {"purchase", "rate", "tag", "view", "click"}
FIRST, RESAMPLES = 10, 10_000


@dataclass
class Visit:
    """All that a user did at one time. begin, end: offsets of its first and last event. items: in order; chosen: some
    of them."""

    user: str
    time: int
    begin: int
    end: int = -1
    items: list[str] = field(default_factory=list)
    chosen: set[str] = field(default_factory=set)


def records(settings: Settings, topic: str) -> list[Any]:
    config = client_config(settings)
    return [message for messages in read_all(config, topic) for message in messages]


def visits_of(events: list[tuple[int, dict[str, Any]]], known: set[str]) -> list[Visit]:
    """In time order. events: with their offsets. known: ids of the catalog."""
    found: dict[tuple[int, str], Visit] = {}
    for offset, event in events:
        key = event["timestamp"], event["user_id"]
        visit = found.setdefault(key, Visit(key[1], key[0], offset))
        visit.end = max(visit.end, offset)
        item = event.get("item_id")
        if item in known:
            if item not in visit.items:
                visit.items.append(item)
            if event["action"] in CHOSEN:
                visit.chosen.add(item)
    numbers: dict[str, int] = {}
    for _, event in sorted(events, key=lambda one: one[1]["timestamp"]):
        numbers.setdefault(event["user_id"], len(numbers))
    return sorted(found.values(), key=lambda one: (one.time, numbers[one.user]))


def middle(visits: list[Visit]) -> int:
    uses = np.cumsum([len(one.items) for one in visits])
    half = max(int(np.searchsorted(uses, uses[-1] // 2)), 1)
    while half < len(visits) and visits[half].time == visits[half - 1].time:
        half += 1
    return half


def judge(visits: list[Visit], lists: dict[str, list[tuple[int, list[str]]]], novel: bool) -> dict[str, Any]:
    """Per scored visit with a target: its number, user, gain and targets, and whether its list was of the user's last
    event. lists: offsets and items by user."""
    ends: dict[str, int] = {}
    first_use: dict[str, int] = {}
    used: dict[str, set[str]] = defaultdict(set)
    for one in visits:
        for item in one.items:
            first_use.setdefault(item, one.begin)
    half, rows = middle(visits), []
    for number, one in enumerate(visits):
        wanted = one.chosen - used[one.user] if novel else one.chosen
        if number >= half and wanted:
            own = lists.get(one.user, [])
            at = bisect_left([offset for offset, _ in own], one.begin) - 1
            offset, listed = own[at] if at >= 0 else (-1, [])
            shown = [item for item in listed if first_use.get(item, 1 << 62) <= offset]
            if novel:
                shown = [item for item in shown if item not in used[one.user]]
            gain = sum(1 / np.log2(place + 2) for place, item in enumerate(shown[:FIRST]) if item in wanted)
            rows.append((number, one.user, gain, len(wanted), offset == ends.get(one.user, -1)))
        ends[one.user] = one.end
        used[one.user].update(one.items)
    columns = zip(*rows, strict=True)
    return dict(zip(("number", "user", "gain", "targets", "newest"), map(np.array, columns), strict=True))


def behind(settings: Settings, events: list[tuple[int, dict[str, Any]]], lists: list[Any]) -> float:
    """Events that were folded between an item's newest use and its record in the topic of what was learned: median."""
    # Of items; what else was learned has keys that begin with a zero.
    messages = [one for one in records(settings, settings.topics.learned) if not one.key().startswith(b"\0")]
    rows, _ = read_learned([one.value() for one in messages])
    times = [event["timestamp"] for _, event in events]
    stamps = [one.timestamp()[1] for one in lists]
    folded = np.maximum.accumulate([orjson.loads(one.value())["offset"] for one in lists])
    found, before = [], dict[bytes, int]()
    for message, row in zip(messages, rows, strict=True):
        # Most records are of an item that was not used itself: another one was, by a user of both.
        uses, known = int(row["item"]["uses"]), before.get(message.key(), 0)
        before[message.key()] = uses
        if uses == known:
            continue
        used = events[bisect_left(times, int(row["item"]["newest"]) + 1) - 1][0]
        at = bisect_left(stamps, message.timestamp()[1]) - 1
        if at >= 0:
            found.append(max(0, int(folded[at]) - used))
    return float(np.median(found))


def interval(users: Any, part: Any, whole: Any) -> str:
    """The ratio of two sums with the interval of its resamples of users. All (n,)."""
    _, place = np.unique(users, return_inverse=True)
    parts, wholes = np.bincount(place, part), np.bincount(place, whole)
    drawn = np.random.default_rng(0).multinomial(len(parts), np.full(len(parts), 1 / len(parts)), RESAMPLES)
    low, high = np.percentile((drawn @ parts) / (drawn @ wholes), (2.5, 97.5))
    return f"{parts.sum() / wholes.sum():.4f} [{low:.4f}, {high:.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--novel", action="store_true")
    options = parser.parse_args()
    settings = configuration.load(None)
    known = {one.key().decode() for one in records(settings, settings.topics.embeddings) if one.value()}
    events = [
        (int(one.offset()), orjson.loads(one.value())) for one in records(settings, settings.topics.canonical)
    ]
    told = sorted(records(settings, settings.topics.recommendations), key=lambda one: one.timestamp()[1])
    lists: dict[str, list[tuple[int, list[str]]]] = defaultdict(list)
    for one in told:
        record = orjson.loads(one.value())
        lists[record["user_id"]].append((record["offset"], [item["item_id"] for item in record["items"]]))
    marks = judge(visits_of(events, known), {user: sorted(own) for user, own in lists.items()}, options.novel)
    print(f"events {len(events)} lists {len(told)} scored visits {len(marks['gain'])}")
    print(f"NDCG@10 of the worker {interval(marks['user'], marks['gain'], marks['targets'])}")
    print(f"lists of the user's last event {marks['newest'].mean():.4f}")
    print(f"events behind {behind(settings, events, told):.0f}")
    if options.kept:
        stored = np.load(options.kept)
        if stored["numbers"].tolist() != marks["number"].tolist():
            raise SystemExit("evaluate judged other visits")
        theirs, targets = stored["marks"][:, 1], stored["marks"][:, 0]
        print(f"NDCG@10 of evaluate {interval(marks['user'], theirs, targets)}")
        print(f"worker / evaluate {interval(marks['user'], marks['gain'], theirs)}")


if __name__ == "__main__":
    main()
