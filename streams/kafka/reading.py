"""Reading whole topics with confluent-kafka, outside any consumer group: catalog, changelogs, books."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.kafka.clients import close_later, make
from streams.kafka.log_bounds import AWAY, UNLOADED, bounds_now
from streams.kafka.tokens import TokenError
from streams.ops.kafka_errors import NO_TOPIC, is_final, sentence
from streams.settings.errors import UserError

log = logging.getLogger(__name__)

# What is read of transactions, by every consumer here: those that are committed. librdkafka's default, said all the
# same; ends are then those of what is committed, too, so that nobody waits for a transaction that is open.
ISOLATION = "read_committed"
# Messages at a time: few enough that their memory is used again, for fresh pages are dear.
CHUNK = 4_000
# A broker answers one fetch of a connection at a time, and partitions at their end would hold up the others.
BULK_WAIT_MS = 10
# For who goes on reading: an idle topic then costs five fetches a second, not a hundred.
TAIL_WAIT_MS = 200

# A right on the group that is named and never used.
NOT_NEEDED = frozenset({KafkaError.GROUP_AUTHORIZATION_FAILED})
# For how long a topic may be unknown to a broker that others of them know.
KNOWN_WITHIN_S = 5.0
KNOWN_PAUSE_S = 0.1


class ReadError(UserError):
    """A topic could not be read to its end; the message says what to do."""


class StalledError(ReadError):
    """Nothing has come for long, though something should."""


def is_away(error: Exception) -> bool:
    """True where an error says that the brokers cannot be reached now, and may be later."""
    told = error if isinstance(error, KafkaException) else error.__cause__
    if isinstance(told, KafkaException):
        return told.args[0].code() in AWAY | UNLOADED
    if isinstance(error, TokenError):
        return error.away
    return isinstance(error, StalledError | TimeoutError)


class Reader:
    """Reads partitions of one topic from their beginning, and on."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        partitions: list[int] | None = None,
        wait_ms: int = BULK_WAIT_MS,
    ) -> None:
        """config: librdkafka properties (servers, security). partitions: all of them by default.

        wait_ms: how long the broker holds a fetch that finds nothing.
        """
        # The group is never joined and nothing is committed; librdkafka only wants the property set, and asks for the
        # group's coordinator.
        own = {
            "group.id": config.get("client.id", "interestflow"),
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
        bulk = {
            "queued.min.messages": 200_000,
            # Bounds the memory of a bulk read; a full queue is looked at again soon, not after a second.
            "queued.max.messages.kbytes": 65_536,
            "fetch.queue.backoff.ms": 5,
            "fetch.max.bytes": 50_000_000,
            "max.partition.fetch.bytes": 4_000_000,
            "fetch.wait.max.ms": wait_ms,
        }
        self._consumer = make(Consumer, {"isolation.level": ISOLATION, **config, **own, **bulk})
        self.topic = topic
        # Asked in any case: a partition that is assigned before its leader is known is read only after half a second.
        known = partition_ids(self._consumer, topic, servers=config.get("bootstrap.servers", ""))
        self.partitions = known if partitions is None else partitions
        self._starts: dict[int, int] = {}
        self.start_at({})

    def start_at(self, offsets: Mapping[int, int]) -> None:
        """Begin these partitions at an offset, no more than their end, and others where they begin."""
        self._starts = dict(offsets)
        asked = [TopicPartition(self.topic, p, offsets.get(p, OFFSET_BEGINNING)) for p in self.partitions]
        self._consumer.assign(asked)

    def bounds(self, partitions: list[int] | None = None) -> dict[int, tuple[int, int]]:
        """First offset and end offset (one past the last) of each partition, now; by default of those it reads."""
        asked = self.partitions if partitions is None else partitions
        return {p: bounds_now(self._consumer, TopicPartition(self.topic, p)) for p in asked}

    def between(self, partition: int, begin: int, end: int, deadline_s: float = 60.0) -> list[Message]:
        """What is left of a partition's records from `begin` up to before `end`, which exist or existed.

        Raises StalledError after the deadline. The reader reads nothing else from then on.
        """
        self._consumer.assign([TopicPartition(self.topic, partition, begin)])
        found: list[Message] = []
        started = time.monotonic()
        while not self.reached({partition: end}):
            found += self.poll(0.02)
            if time.monotonic() - started > deadline_s:
                raise StalledError(f"{self.topic}-{partition} could not be read up to offset {end} in time")
        self._consumer.unassign()
        return [message for message in found if int(message.offset() or 0) < end]

    def poll(self, timeout_s: float) -> list[Message]:
        """What has come within the time; brokers that are away are waited for. Raises ReadError."""
        messages: list[Message] = self._consumer.consume(CHUNK, timeout_s)
        errors = [message.error() for message in messages if message.error() is not None]
        if not errors:
            return messages
        for error in errors:
            if error.code() not in AWAY | NOT_NEEDED:
                raise ReadError(f"reading failed: {sentence(error, f'topic {self.topic}')}")
        log.debug("reading %s: %s; waiting for the broker", self.topic, errors[-1])
        return [message for message in messages if message.error() is None]

    def to_end(self, deadline_s: float = 600.0, stall_s: float = 60.0) -> Iterator[list[Message]]:
        """Chunks up to the end offsets as they are now. Raises ReadError after the deadline, StalledError."""
        # Asked at once, not with the first chunk: a generator that has raised cannot be asked again.
        return self._chunks(self.ends(), deadline_s, stall_s)

    def ends(self) -> dict[int, int]:
        """End offset of each partition that holds something to read, now."""
        # One of which nothing is left to read would never have a position.
        starts = self._starts
        return {p: end for p, (begin, end) in self.bounds().items() if end > max(begin, starts.get(p, 0))}

    def _chunks(self, ends: dict[int, int], deadline_s: float, stall_s: float) -> Iterator[list[Message]]:
        started = progress = time.monotonic()
        while ends:
            messages = self.poll(0.02)
            now = time.monotonic()
            if messages:
                progress = now
                yield messages
            # The position counts transaction markers and compacted-away records too.
            ends = {p: end for p, end in ends.items() if not self.reached({p: end})}
            if ends and now - started > deadline_s:
                raise ReadError(f"{self.topic} could not be read to its end within {deadline_s:g} s")
            if ends and now - progress > stall_s:
                raise StalledError(f"{self.topic}: nothing came for {stall_s:g} s; is the broker reachable?")

    def reached(self, ends: Mapping[int, int]) -> bool:
        """True once the position of each of these partitions is at or past its end offset."""
        asked = [TopicPartition(self.topic, p) for p in ends]
        return all(found.offset >= ends[found.partition] for found in self._consumer.position(asked))

    def close(self) -> None:
        """Release the connection; without waiting."""
        close_later(self._consumer)


def partition_ids(client: Any, topic: str, within_s: float | None = None, servers: str = "") -> list[int]:
    """Partitions of a topic. Raises ReadError where there is no such topic, or no right to it.

    within_s: how long the broker that is asked may not have heard of it yet; KNOWN_WITHIN_S by default.
    servers: host:port of the brokers, for the message.
    """
    give_up = time.monotonic() + (KNOWN_WITHIN_S if within_s is None else within_s)
    while True:
        try:
            found = client.list_topics(topic, timeout=10).topics[topic]
        except KafkaException as error:
            at = f" at {servers}" if servers else ""
            raise ReadError(f"cannot ask the brokers{at} for {sentence(error, f'topic {topic}')}") from error
        if found.error is None and found.partitions:
            return sorted(found.partitions)
        if is_final(found.error):
            raise ReadError(sentence(found.error, f"topic {topic}"))
        if time.monotonic() > give_up:
            raise ReadError(f"topic {topic} does not exist: {NO_TOPIC}")
        time.sleep(KNOWN_PAUSE_S)


def bounds_of(
    config: Mapping[str, Any], topic: str, partitions: list[int] | None = None
) -> dict[int, tuple[int, int]]:
    """First offset and end offset (one past the last) of each partition of a topic, now; by default of all."""
    reader = Reader(config, topic, partitions)
    try:
        return reader.bounds()
    finally:
        reader.close()


def ends_of(config: Mapping[str, Any], topic: str) -> dict[int, int]:
    """End offset of each partition of a topic that holds something, now."""
    return {p: end for p, (begin, end) in bounds_of(config, topic).items() if end > begin}


def read_all(config: Mapping[str, Any], topic: str, deadline_s: float = 600.0) -> Iterator[list[Message]]:
    """All records of a topic up to its end now, in chunks."""
    reader = Reader(config, topic)
    try:
        yield from reader.to_end(deadline_s)
    finally:
        reader.close()
