"""Seeded behaviour events, and the producer that writes them while a fault happens and remembers what it wrote."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

T0 = 1_600_000_000_000
USERS = 60
ITEMS = 40
# The `source` of every event.
REPORTER = "load"
FLUSH_DEADLINE_S = 90.0
# Weighted by how often they come: neutral, texts alone, ratings with a value, signed ones.
ACTIONS = ("click",) * 6 + ("view",) * 3 + ("rate", "purchase", "dislike", "impression", "search")
# No event, whatever the format: it must be rejected and harm nobody.
BROKEN = (b"{broken", b"\xff\xfe", b"[]", b"{}", b'{"user_id": "u1"}')
Made = tuple[str, str | None, bytes]  # user, the event's name (None where broken), value


class Events:
    """An endless, seeded row of events, numbered; a few come late, a few are broken."""

    def __init__(self, seed: int, broken: float = 0.02, source: str = "") -> None:
        """source: its events have the ids 1, 2, 3 …, as those of any other, and only their session tells them apart."""
        self.random = random.Random(seed)
        self.broken, self.source = broken, source
        self.number = 0

    def next(self) -> Made:
        """The next event of some user."""
        rng = self.random
        self.number += 1
        # One in ten comes once and never again: nothing later can make good what was lost of it.
        once = rng.random() < 0.1
        user = f"once{self.number}" if once else f"u{min(int(rng.expovariate(0.1)), USERS - 1)}"
        if rng.random() < self.broken:
            return user, None, rng.choice(BROKEN)
        action, event_id = rng.choice(ACTIONS), f"{self.source or 'e'}{self.number}"
        # One in twenty is late by up to ten minutes of event time.
        late = rng.randrange(600_000) if rng.random() < 0.05 else 0
        body: dict[str, Any] = {
            "event_id": event_id,
            "user_id": user,
            "action": action,
            "timestamp": T0 + self.number * 1000 - late,
            "source": REPORTER,
        }
        if self.source:
            body |= {"event_id": self.number, "session_id": event_id}
        if action == "search":
            body["text"] = f"red thing {rng.randrange(ITEMS)}"
        else:
            body["item_id"] = f"i{rng.randrange(ITEMS)}"
        if action in ("rate", "purchase"):
            body["value"] = rng.randrange(1, 6)
        return user, event_id, orjson.dumps(body)


class Load:
    """Writes events to a topic and keeps the ids of those that the broker has taken, by user."""

    def __init__(self, servers: str, topic: str, events: Events) -> None:
        self.topic, self.events = topic, events
        self.taken: dict[str, list[str]] = defaultdict(list)
        self.broken = 0
        self._failed: list[KafkaError] = []
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 2,
                "log_level": 0,
            }
        )

    def write(self, count: int, rate: float = 0.0) -> None:
        """Write so many events, at `rate` per second (0: at once); returns when the broker has them all."""
        started = time.monotonic()
        for number in range(count):
            while rate and time.monotonic() < started + number / rate:
                self._producer.poll(0.001)
            self._one()
        left = self._producer.flush(FLUSH_DEADLINE_S)
        if left or self._failed:
            raise KafkaException(self._failed[0] if self._failed else KafkaError(KafkaError._MSG_TIMED_OUT))

    @contextmanager
    def flowing(self, rate: float) -> Iterator[None]:
        """Events come at `rate` per second for the length of the block; then the broker has them all."""
        stop, problems = threading.Event(), []

        def work() -> None:
            try:
                while not stop.is_set():
                    self.write(max(1, int(rate / 10)), rate)
            except BaseException as error:
                problems.append(error)

        thread = threading.Thread(target=work, name="load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if problems:
            raise problems[0]

    def took(self, user: str, event_id: str, _message: Message) -> None:
        """The broker has an event."""
        self.taken[user].append(event_id)

    def _one(self) -> None:
        user, event_id, value = self.events.next()

        def report(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                self._failed.append(error)
            elif event_id is None:
                self.broken += 1
            else:
                self.took(user, event_id, message)

        self._producer.produce(self.topic, value, user.encode(), on_delivery=report)
        self._producer.poll(0)
