"""A deployment of its own on a shared broker: topics, workers, load, and the check of all that must hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from encoders.core.base import identity
from streams.catalog.items import Item, encode_embedding, fingerprint
from streams.history.audit import audit
from streams.kafka.reading import ReadError, partition_ids
from streams.kafka.topics import specifications as topics
from streams.wiring.encoder import build_encoder
from tests.faults import invariants
from tests.faults.crew import Crew
from tests.faults.load import ITEMS, Events, Load
from tests.faults.log import Changelog, Published, Tail
from tests.faults.oracle import Oracle
from tests.faults.small import new_prefix, small_settings

# I6: after a fault has ended, a group has read all within so many seconds.
SETTLE_S = 30.0
# Commits come every `commit_interval_s`; beyond this none will.
COMMIT_S = 5.0
NONE_LOST, NONE_TWICE = "I1 none lost", "I2 none twice"
ALL_APPLIED, NO_LAG = "I6 all applied in time", "I6 group lag is 0"
# Events per second while a fault happens; the share of trials that begin with all workers in the group.
RATE, STEADY = 400.0, 0.8
NO_ADDRESSES: Mapping[str, str] = MappingProxyType({})
Problems = dict[str, list[str]]


class Deployment:
    """Topics with a prefix of their own, the catalog in them, and what has been written and read so far."""

    def __init__(
        self,
        servers: str,
        folder: Path,
        seed: int,
        *,
        static: bool = True,
        addresses: Mapping[str, str] = NO_ADDRESSES,
        **fields: Any,
    ) -> None:
        """servers: the broker, directly. static, addresses: see Crew. fields: settings."""
        self.settings = small_settings(servers, fields.pop("prefix", None) or new_prefix(), **fields)
        folder.mkdir(parents=True, exist_ok=True)
        self.config: dict[str, Any] = {"bootstrap.servers": servers, "log_level": 0}
        self.admin = AdminClient(self.config)
        topics.create(self.settings)
        self.write_catalog()
        self.crew = Crew(self.settings, folder, static, addresses)
        self.load = self.make_load(servers, seed)
        self._tails = {t: Tail(self.config, t) for t in self._topics()}
        catalog = self._tails[self.settings.topics.embeddings].messages()
        self.oracle = self.make_oracle(catalog)
        self.changelog, self.published = Changelog(self.oracle.flow), Published()
        # Partition and offset of the records in the topic of rejected ones.
        self.rejected: set[tuple[int, ...]] = set()

    def _topics(self) -> tuple[str, ...]:
        s = self.settings
        return s.topics.canonical, s.topics.embeddings, s.topics.state, s.topics.vectors, s.topics.rejected

    def make_load(self, servers: str, seed: int) -> Load:
        """What writes the events."""
        return Load(servers, self.settings.topics.sources[0].topic, Events(seed))

    def make_oracle(self, catalog: list[Message]) -> Oracle:
        """What folds the log. catalog: records of the embeddings."""
        return Oracle(self.settings, catalog)

    def write_catalog(self) -> None:
        """Embeddings of a fixed catalog, as if its items had been encoded long ago."""
        encoder = build_encoder(self.settings)
        items = [Item(f"i{n}", title=f"red thing {n}") for n in range(ITEMS)]
        vectors, space = encoder.encode([item.text() for item in items]), identity(encoder)
        producer = Producer({**self.config, "partitioner": "murmur2_random", "enable.idempotence": True})
        for item, vector in zip(items, vectors, strict=True):
            value = encode_embedding(item, vector, space, fingerprint(item, space))
            producer.produce(self.settings.topics.embeddings, value, item.item_id.encode())
        assert producer.flush(30) == 0

    # --- what the group has done ------------------------------------------------------------------------

    def look(self) -> None:
        """Read on what came into the topics."""
        s = self.settings
        self.oracle.add(self._tails[s.topics.canonical].messages())
        for message in self._tails[s.topics.state].messages():
            self.changelog.add(message)
        for message in self._tails[s.topics.vectors].messages():
            self.published.add(message)
        for message in self._tails[s.topics.rejected].messages():
            headers = dict(message.headers())
            if headers["__connect.errors.topic"] != s.topics.canonical.encode():
                continue
            self.rejected.add(tuple(int(headers[f"__connect.errors.{n}"]) for n in ("partition", "offset")))

    def lag(self) -> int:
        """Records that the group has not committed, of every topic that it reads events from; as Kafka's tools say."""
        consumer = Consumer(
            {**self.config, "group.id": self.settings.topics.group, "enable.auto.commit": False}
        )
        try:
            read = {
                self.settings.topics.canonical,
                *(source.topic for source in self.settings.topics.raw_sources),
            }
            asked = [TopicPartition(t, p) for t in sorted(read) for p in partition_ids(consumer, t)]
            done = [max(0, found.offset) for found in consumer.committed(asked, timeout=20)]
            ends = [consumer.get_watermark_offsets(partition, timeout=20)[1] for partition in asked]
        finally:
            consumer.close()
        return sum(ends) - sum(done)

    def owners(self) -> int:
        """Members of the group that own a partition of the canonical topic."""
        group, admin = self.settings.topics.group, AdminClient(self.config)  # one that never saw a broker go
        try:
            described = admin.describe_consumer_groups([group], request_timeout=5)[group].result(10)
        except (KafkaException, TimeoutError):
            return 0  # the broker has only just come back
        owned = [member.assignment.topic_partitions for member in described.members if member.assignment]
        return sum(any(tp.topic == self.settings.topics.canonical for tp in topics) for topics in owned)

    def mostly_steady(self, rng: Random, deadline_s: float = SETTLE_S) -> None:
        """Mostly wait until every worker is in the group; else a fault may meet one that is starting."""
        if rng.random() < STEADY:
            members = len(self.crew.members)
            until(lambda: self.owners() == members, "every worker in the group", deadline_s)

    @property
    def partitions(self) -> int:
        """Of the canonical topic."""
        return self.settings.topics.partitions

    def unapplied(self) -> int:
        """Events that are not in the canonical topic yet, or that the changelog does not call applied."""
        self.look()
        progress_by_partition, left = self.changelog.progress_by_partition, self.unlogged()
        for partition, end in self.oracle.ends.items():
            left += max(0, end - 1 - progress_by_partition.get(partition, {"offset": -1})["offset"])
        return left

    def unlogged(self) -> int:
        """Events that were written and are not in the canonical topic, as far as it was read."""
        logged = self.oracle.logged
        return sum(len(set(ids) - set(logged[user])) for user, ids in self.load.taken.items())

    def settle(self, deadline_s: float = SETTLE_S) -> Problems:
        """I6: wait until all is applied, and then until the group has committed all."""
        unapplied = self._until_none(self.unapplied, deadline_s)
        if unapplied:
            # The rest cannot be told yet.
            return {ALL_APPLIED: [f"after {deadline_s:g} s {unapplied}"]}
        lag = self._until_none(self.lag, COMMIT_S)
        return {ALL_APPLIED: [], NO_LAG: [f"{COMMIT_S:g} s after all was applied: {lag}"] if lag else []}

    def _until_none(self, left: Callable[[], int], deadline_s: float) -> str:
        """Empty once `left` is zero; else, after the deadline, what is left or why that is not known."""
        started, said = time.monotonic(), ""
        while time.monotonic() < started + deadline_s:
            try:
                count = left()
                if not count:
                    return ""
                said = f"{count} events are left"
            except (KafkaException, ReadError) as error:
                said = f"the topics cannot be read: {error}"
            time.sleep(0.05)
        return said

    # --- what must hold ---------------------------------------------------------------------------------

    def check(self, monotone: bool = False, books: bool = True) -> Problems:
        """Every invariant but I6: name -> its breaches. monotone: nobody was paused or killed."""
        self.look()
        expected, rows, out = self.oracle.rows(), self.changelog.rows, self.published
        model = self.oracle.flow.model
        found = {
            **self.counted(),
            "I3 same bits": invariants.same_bits(expected, rows)
            + invariants.same_vectors(model, expected, out),
            "I4 output is final": invariants.outputs_are_final(model, rows, out),
        }
        if monotone:
            found["I4 never down"] = invariants.never_down(out)
        if books:
            found["I5 books balance"] = audit(self.settings).problems
            found["I5 books balance"] += invariants.rejected_are_kept(self.oracle.broken, self.rejected)
        found["harness"] = self.as_written()
        return found

    def counted(self) -> Problems:
        """I1 and I2: what was written counts, and counts once."""
        written, rows = self.load.taken, self.changelog.rows
        return {
            NONE_LOST: invariants.none_lost(written, rows),
            NONE_TWICE: invariants.none_twice(written, rows),
        }

    def as_written(self) -> list[str]:
        """Whether the log holds what the load wrote."""
        return invariants.log_is_as_written(self.load.taken, self.oracle.logged)

    def own_topics(self) -> set[str]:
        """Those that go with it."""
        return {spec.name for spec in topics.specs(self.settings)}

    def close(self) -> None:
        """End the workers and remove the topics."""
        self.crew.close()
        for tail in self._tails.values():
            tail.close()
        for future in self.admin.delete_topics(sorted(self.own_topics())).values():
            with suppress(KafkaException):  # the broker of this deployment may be gone by intent
                future.result(20)


# The `deploy` fixture: a kind of deployment -> a function from a seed to one.
Deploy = Callable[..., Callable[[int], Deployment]]


def until(condition: Callable[[], Any], what: str, deadline_s: float = SETTLE_S) -> Any:
    """The condition's first true value; fails after the deadline, naming what did not come."""
    started = time.monotonic()
    while not (found := condition()):
        if time.monotonic() > started + deadline_s:
            raise AssertionError(f"{what} did not come within {deadline_s:g} s")
        time.sleep(0.02)
    return found
