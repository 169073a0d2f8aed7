"""Records into Kafka: idempotent, acks=all, murmur2, every delivery report counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from sinks.base import Group, SinkError

# Durability and order are not settings: a state that is acknowledged must be on disk, in order.
GUARANTEES: Mapping[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    # As Java and aiokafka partition; librdkafka's own default (CRC32) breaks co-partitioning silently.
    "partitioner": "murmur2_random",
}
DEFAULTS: Mapping[str, Any] = {
    "linger.ms": 5,
    "batch.size": 1_000_000,
    # What may be outstanding is bounded by the batches in flight, not here.
    "queue.buffering.max.messages": 10_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
    "message.max.bytes": 8_000_000,
    "compression.type": "none",  # unit vectors do not compress
}
# The partitioner's choice, by key.
ANY_PARTITION = -1

Report = Callable[[KafkaError | None, Any], None]


class _Outstanding:
    """The delivery reports that one `publish` still waits for."""

    __slots__ = ("error", "future", "offsets", "remaining")

    def __init__(self, groups: Sequence[Group]) -> None:
        self.remaining = sum(len(group.records) for group in groups)
        self.offsets = [-1] * len(groups)
        self.error: KafkaError | None = None
        self.future: Future[Sequence[int]] = Future()
        # Whoever stops waiting for it must not cancel it: its result would then be an error in the poll thread.
        self.future.set_running_or_notify_cancel()
        if not self.remaining:
            self.future.set_result(self.offsets)

    def report(self, error: KafkaError | None, _message: Any) -> None:
        """Delivery report; runs in the sink's poll thread only."""
        if error is not None and self.error is None:
            self.error = error
        self.remaining -= 1
        if not self.remaining:
            if self.error is None:
                self.future.set_result(self.offsets)
            else:
                self.future.set_exception(SinkError(f"Kafka did not take a record: {self.error}"))

    def report_last(self, group: int) -> Report:
        """Likewise, of the last record of a group that names its partition."""

        def report(error: KafkaError | None, message: Any) -> None:
            if error is None:
                self.offsets[group] = message.offset()
            self.report(error, message)

        return report


class KafkaSink:
    """One producer and the thread that collects its delivery reports."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """config: librdkafka properties (servers, security); the guarantees above cannot be overridden."""
        self._fatal: str | None = None
        self._producer = Producer({**DEFAULTS, **config, **GUARANTEES, "error_cb": self._on_error})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-sink", daemon=True)
        self._thread.start()

    def publish(self, groups: Sequence[Group]) -> Future[Sequence[int]]:
        """Enqueue at once; resolves when each record has its delivery report. Raises SinkError if fatal."""
        if self._fatal:
            raise SinkError(self._fatal)
        outstanding = _Outstanding(groups)
        for index, group in enumerate(groups):
            end = len(group.records)
            if group.partition is not None and end:
                self._produce(group, 0, end - 1, outstanding.report)
                self._produce(group, end - 1, end, outstanding.report_last(index))
            else:
                self._produce(group, 0, end, outstanding.report)
        return outstanding.future

    def close(self, deadline_s: float) -> int:
        """Flush for at most `deadline_s` seconds; returns the number of records not delivered."""
        left = int(self._producer.flush(deadline_s))
        self._stopping.set()
        self._thread.join(timeout=5)
        return left

    def _produce(self, group: Group, begin: int, end: int, report: Report) -> None:
        partition = ANY_PARTITION if group.partition is None else group.partition
        produce, topic = self._producer.produce, group.topic
        try:
            # By position: half of what the same call costs by name.
            if group.headers is None:
                for key, value in group.records[begin:end]:
                    produce(topic, value, key, partition, report)
                return
            each = zip(group.records[begin:end], group.headers[begin:end], strict=True)
            for (key, value), headers in each:
                produce(topic, value, key, partition, report, headers=list(headers))
        except (BufferError, KafkaException) as error:
            raise SinkError(f"cannot enqueue to {group.topic}: {error}") from error

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = f"the Kafka producer failed for good: {error}; restart the worker"
