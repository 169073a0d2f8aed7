"""A deployment whose events come through ingest, judged by what stands in its source topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.history import replay
from streams.kafka.topics import specifications as topics
from streams.kafka.topics.committed import committed
from streams.settings.settings import Settings
from streams.settings.source_topics import Source
from tests.faults import invariants
from tests.faults.deployment import NONE_LOST, NONE_TWICE, Deployment, Problems
from tests.faults.log import Changelog, Tail
from tests.faults.oracle import Oracle
from tests.faults.small import new_prefix
from tests.faults.sources import SourceLoad, Sources, make_topic
from tests.faults.truth import Truth

# A broker beside many kills and recoveries may take its time to answer.
ANSWER_S = 60.0
SAME_BITS = "I3 same bits"
ONE_SOURCE: Mapping[str, int] = {"raw": 2}


class Ingesting(Deployment):
    """Beside what each deployment checks: counts, states and vectors are those of the distinct source events."""

    load: Sources  # type: ignore[assignment]

    def __init__(
        self,
        servers: str,
        folder: Path,
        seed: int,
        *,
        raw: Mapping[str, int] = ONE_SOURCE,
        backlog: Sources | None = None,
        **fields: Any,
    ) -> None:
        """raw: the source topics, by name, and how many partitions each has. backlog: sources that are there
        already, and stay.
        """
        prefix = new_prefix()
        names = [load.topic for load in backlog.loads] if backlog else [prefix + name for name in raw]
        if not backlog:
            admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
            for name, partitions in zip(names, raw.values(), strict=True):
                make_topic(admin, name, partitions)
        self._backlog, self._before = backlog, list[Settings]()
        sources = tuple(Source(topic=name, format="native") for name in names)
        super().__init__(servers, folder, seed, prefix=prefix, sources=sources, **fields)

    def make_load(self, servers: str, seed: int) -> Any:
        """What writes the events, or has written them."""
        # Of the same seed: the same users do the same at the same times, and the ids are the same numbers.
        return self._backlog or Sources(
            [SourceLoad(servers, source.topic, seed) for source in self.settings.topics.sources]
        )

    def make_oracle(self, catalog: list[Message]) -> Oracle:
        """What folds the log as it is, and what folds each event once."""
        self.truth = Truth(self.settings, catalog)
        return _Both(self.settings, catalog, self.truth)

    # --- what the group has done ------------------------------------------------------------------------

    def unlogged(self) -> int:
        """Events that were written and are not in the canonical topic, as far as it was read."""
        return len(self.load.names - self.truth.seen)

    def ingested(self) -> int:
        """Records in the canonical topic; what was written twice is counted twice."""
        asked = [TopicPartition(self.settings.topics.canonical, p) for p in range(self.partitions)]
        return sum(self.offsets(asked).values())

    def offsets(self, partitions: Sequence[TopicPartition]) -> dict[int, int]:
        """End of each of these partitions of one topic."""
        answers = self.admin.list_offsets({p: OffsetSpec.latest() for p in partitions})
        return {p.partition: future.result(ANSWER_S).offset for p, future in answers.items()}

    def committed(self, topic: str, partitions: int) -> dict[int, int]:
        """What the group has committed of a source topic."""
        found = committed(self.config, self.settings.topics.group, [(topic, p) for p in range(partitions)])
        return {p: found[topic, p].offset if (topic, p) in found else 0 for p in range(partitions)}

    def member_ids(self) -> set[str]:
        """Of the group's members, as the coordinator names them: one that was expelled comes back with another."""
        group = self.settings.topics.group
        described = self.admin.describe_consumer_groups([group], request_timeout=ANSWER_S)[group].result(
            ANSWER_S
        )
        return {member.member_id for member in described.members}

    def upgrade(self) -> None:
        """The next generation: workers that start from now on are of it, and it is what is checked."""
        self._before.append(self.settings)
        self.settings = self.settings.model_copy(update={"generation": self.settings.topics.generation + 1})
        topics.create(self.settings)
        self.crew.settings = self.settings
        self._tails[self.settings.topics.state] = Tail(self.config, self.settings.topics.state)
        self.changelog = Changelog(self.oracle.flow)

    # --- what must hold ---------------------------------------------------------------------------------

    def counted(self) -> Problems:
        """I1 and I2, by the sources alone: of each user so many events, and so many that move the interest."""
        written, moving = self.load.counts()
        count = self.oracle.flow.model.counts
        rows = self.changelog.rows
        told = {
            user: (int(row.state["applied"][0]), int(count(row.state["model"])[0]))
            for user, row in rows.items()
        }
        found: Problems = {NONE_LOST: [], NONE_TWICE: []}
        for user in sorted(written.keys() | told.keys()):
            right, ours = (written[user], moving[user]), told.get(user, (0, 0))
            sentence = f"{user}: {right} events were written and move the interest, the state counts {ours}"
            if ours[0] < right[0] or ours[1] < right[1]:
                found[NONE_LOST].append(sentence)
            if ours[0] > right[0] or ours[1] > right[1]:
                found[NONE_TWICE].append(sentence)
        return found

    def check(self, monotone: bool = False, books: bool = True) -> Problems:
        """Every invariant but I6: name -> its breaches."""
        found = super().check(monotone, books)
        model, truth, rows = self.oracle.flow.model, self.truth.rows(), self.changelog.rows
        found[SAME_BITS] += invariants.same_models(truth, rows)
        found[SAME_BITS] += invariants.same_vectors(model, truth, self.published)
        if books:
            verdict = replay.verify(self.settings)
            if not verdict.equal:
                found[SAME_BITS].append(
                    f"a replay is another: {verdict.differing[:3]}, {verdict.missing[:3]}"
                )
        return found

    def as_written(self) -> list[str]:
        """Whether the log holds what stands in the sources."""
        strange = self.truth.seen - self.load.names
        return [f"the log holds what nobody wrote: {sorted(strange)[:5]}"] if strange else []

    def own_topics(self) -> set[str]:
        """Those that go with it."""
        made = {spec.name for settings in (*self._before, self.settings) for spec in topics.specs(settings)}
        return made - {load.topic for load in self._backlog.loads} if self._backlog else made


class _Both(Oracle):
    """Reads the log for itself and for the truth."""

    def __init__(self, settings: Settings, catalog: list[Message], truth: Truth) -> None:
        super().__init__(settings, catalog)
        self._truth = truth

    def add(self, messages: Iterable[Message]) -> None:
        """Fold more of the log, in order per partition."""
        messages = list(messages)
        super().add(messages)
        self._truth.add(messages)
