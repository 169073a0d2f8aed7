"""Feeds a data set to a running worker as its users would have acted: each comes again only with a list in hand.

    python -m tests.broker.live_feed movielens ml-latest-small [--limit EVENTS] [--open VISITS]

Writes the items, then the events, visit by visit (what one user did at one time). A user's next visit is sent when the
worker has published a list that knows the one before; no more than --open visits wait at once. So each visit has a list
of its own, as in life, however slow the machine is. Start the worker when the items are written, with topics of
these settings (environment) that hold nothing yet, and `INTERESTFLOW_RECOMMEND_INTERVAL_S=0`.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.datasets import DATASETS
from streams.history.load import native_topic
from streams.kafka.clients import client_config
from streams.settings import configuration
from streams.settings.settings import Settings

# The worker may still be starting; later, a visit that moves nothing has no list.
FIRST_S, OTHER_S = 600.0, 8.0


def visits(events: Iterable[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """In time order: a user, and what it did at one time."""
    known = [event for event in events if event["user_id"] is not None]
    known.sort(key=lambda event: event["timestamp"])
    for _, same in groupby(known, key=lambda event: event["timestamp"]):
        by_user: dict[str, list[dict[str, Any]]] = {}
        for event in same:
            by_user.setdefault(event["user_id"], []).append(event)
        yield from by_user.items()


class Feed:
    """answered, unanswered: visits whose list came, and those given up."""

    def __init__(self, settings: Settings, most: int) -> None:
        """most: visits that wait at once."""
        config = client_config(settings)
        self._producer = Producer({**config, "linger.ms": 0})
        self._lists = Consumer({**config, "group.id": "live-feed", "auto.offset.reset": "earliest"})
        topic = settings.topics.recommendations
        partitions = self._lists.list_topics(topic).topics[topic].partitions
        self._lists.assign([TopicPartition(topic, number, 0) for number in partitions])
        self._topic, self._most = native_topic(settings.topics), most
        self._sent = Counter[str]()
        # By user: how many of its events the awaited list knows, and when it is given up.
        self._open: dict[str, tuple[int, float]] = {}
        self.answered = self.unanswered = 0

    def send(self, user: str, events: list[dict[str, Any]]) -> None:
        """Send a visit, once its user has a list and there is room."""
        while user in self._open or len(self._open) >= self._most:
            self._wait()
        for event in events:
            self._producer.produce(self._topic, orjson.dumps(event), user.encode())
        self._producer.poll(0)
        self._sent[user] += len(events)
        patience = OTHER_S if self.answered else FIRST_S
        self._open[user] = self._sent[user], time.monotonic() + patience

    def finish(self) -> None:
        """Wait for the last lists."""
        while self._open:
            self._wait()
        self._producer.flush()

    def _wait(self) -> None:
        self._producer.poll(0)
        for message in self._lists.consume(200, 0.05):
            record = orjson.loads(message.value())
            user = record["user_id"]
            if user in self._open and record["version"] > self._open[user][0]:
                del self._open[user]
                self.answered += 1
        now = time.monotonic()
        for user in [user for user, (_, end) in self._open.items() if end < now]:
            del self._open[user]
            self.unanswered += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", choices=sorted(DATASETS))
    parser.add_argument("path", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--open", type=int, default=8)
    options = parser.parse_args()
    settings = configuration.load(None)
    dataset = DATASETS[options.dataset](options.path)
    producer = Producer(client_config(settings))
    for item in dataset.items:
        producer.produce(settings.topics.items, orjson.dumps(item), item["item_id"].encode())
        producer.poll(0)
    producer.flush()
    print(f"items {len(dataset.items)}", flush=True)
    feed, started, sent = Feed(settings, options.open), time.monotonic(), 0
    for user, events in visits(islice(dataset.events, options.limit)):
        feed.send(user, events)
        sent += len(events)
        if (feed.answered + feed.unanswered) % 2000 == 0:
            print(f"events {sent} seconds {time.monotonic() - started:.0f}", flush=True)
    feed.finish()
    print(f"events {sent} visits {feed.answered} unanswered {feed.unanswered}")


if __name__ == "__main__":
    main()
