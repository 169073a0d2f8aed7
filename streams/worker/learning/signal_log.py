"""Publishes what batches of users say of items, ahead of the states that hold the batches."""

from __future__ import annotations

from collections.abc import Sequence

from sinks.base import Delivery, Log, TopicRecords
from streams.flow.learning.said import Said
from streams.flow.learning.writing import SignalWriter
from streams.recommend import Catalog
from streams.state.changelog import TopicIdentity
from streams.worker.learning.held import HeldBack


class SignalLog:
    """Of one worker.

    A state is published once what its batch says of items is delivered. So whoever recovers the state, and folds no
    event of it again, knows that nothing is left to say of them (see `state.items.origins`).
    """

    def __init__(self, topic: str, catalog: Catalog, log: Log) -> None:
        """topic: of the signals."""
        self._writer, self._log, self._held = SignalWriter(catalog, topic), log, HeldBack(log)
        # Partitions of the topic, as the worker found them.
        self.partitions = 0

    def publish(
        self,
        said: Said,
        source: TopicIdentity,
        partition: int,
        state: TopicRecords,
        others: Sequence[TopicRecords],
    ) -> Delivery:
        """Publish a change of users' states. source, partition: what its events are of. The result is as if `state`
        came first."""
        signals = self._writer.groups(said, source, partition, self.partitions)
        return self._held.publish(partition, self._log.publish([*signals, *others]), [state])
