"""A load in transactions, of which some are aborted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Producer

from tests.faults.deployment import Deployment
from tests.faults.load import FLUSH_DEADLINE_S, Events, Load, Made

# Of the transactions; and the most events of one.
ABORTED, LARGEST = 0.3, 20


class TransactionalLoad(Load):
    """Writes in transactions, of which some are aborted; only what is committed is remembered as taken."""

    def __init__(self, servers: str, topic: str, events: Events) -> None:
        super().__init__(servers, topic, events)
        own = {"bootstrap.servers": servers, "partitioner": "murmur2_random", "log_level": 0}
        self._producer = Producer({**own, "transactional.id": topic})
        self._producer.init_transactions(FLUSH_DEADLINE_S)
        self._open: list[Made] = []

    def write(self, count: int, rate: float = 0.0) -> None:
        """As Load's, of which a part is aborted; returns when the broker has ended all transactions."""
        rng = self.events.random
        while count > 0:
            size = min(count, rng.randint(1, LARGEST))
            count -= size
            self._producer.begin_transaction()
            super().write(size, rate)
            if rng.random() < ABORTED:
                self._producer.abort_transaction(FLUSH_DEADLINE_S)
            else:
                self._producer.commit_transaction(FLUSH_DEADLINE_S)
                self._take()
            self._open = []

    def _one(self) -> None:
        made = self.events.next()
        self._open.append(made)
        self._producer.produce(self.topic, made[2], made[0].encode(), on_delivery=self._report)
        self._producer.poll(0)

    def _report(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def _take(self) -> None:
        for user, event_id, _ in self._open:
            if event_id is None:
                self.broken += 1
            else:
                self.taken[user].append(event_id)


def with_load(
    kind: Callable[[int], Deployment], load: Callable[[str, str, Events], Load]
) -> Callable[[int], Deployment]:
    """The same deployments with another load."""

    def make(seed: int) -> Deployment:
        deployment = kind(seed)
        servers = deployment.config["bootstrap.servers"]
        deployment.load = load(servers, deployment.load.topic, Events(seed))
        return deployment

    return make
