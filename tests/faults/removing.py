"""Deployments from whose topics records are removed, as retention does; what their workers call lost is lost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.history.audit import audit
from tests.faults.deployment import SETTLE_S, Deployment, Problems, until
from tests.faults.ingesting import Ingesting
from tests.faults.oracle import Oracle

BOOKS = "I5 books balance"
ANSWER_S = 20.0
# Of the raw source.
PARTITIONS = 2
# By partition.
Offsets = dict[int, set[int]]


def named(log: str, topic: str) -> list[tuple[int, int, int]]:
    """Partition, begin and end (exclusive) of each range of a topic that a worker's log calls removed unread."""
    said = r"-(\d+): offsets (\d+) to (\d+) were removed before they were read"
    found = re.findall(re.escape(topic) + said, log)
    return [(int(partition), int(begin), int(last) + 1) for partition, begin, last in found]


def metric(shown: str, topic: str) -> int:
    """Offsets of a topic that a worker's metrics call removed unread."""
    values = re.findall(rf'removed_offsets_total{{partition="\d+",topic="{re.escape(topic)}"}} (\S+)', shown)
    return round(sum(map(float, values)))


class Witness:
    """What one worker says was removed unread of one topic."""

    def __init__(self, topic: str, log: Path, metrics_port: int) -> None:
        self.topic, self.log, self.port = topic, log, metrics_port
        # What all its processes have named; and how many offsets the one that runs has.
        self.lost: Offsets = defaultdict(set)
        self._here = self._at = 0

    def another(self) -> None:
        """The next process is to be started: its metric will begin at zero."""
        self.look()
        self._here = 0

    def look(self) -> Offsets:
        """Offsets that it has named for the first time since the last look."""
        said = self.log.read_bytes()[self._at :]
        said = said[: said.rfind(b"\n") + 1]
        self._at += len(said)
        new: Offsets = defaultdict(set)
        for partition, begin, end in named(said.decode(errors="replace"), self.topic):
            new[partition] |= set(range(begin, end)) - self.lost[partition]
            self.lost[partition] |= new[partition]
            self._here += end - begin
        return new

    def problems(self) -> list[str]:
        """Whether its metric says the same as its log."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=ANSWER_S) as answer:
            counted = metric(answer.read().decode(), self.topic)
        return (
            []
            if counted == self._here
            else [f"the log names {self._here} offsets, the metric says {counted}"]
        )


class Held(Oracle):
    """Folds nothing while it is not known what of the log was lost."""

    held: list[Message] | None = None

    def add(self, messages: Iterable[Message]) -> None:
        """Fold more of the log, or keep it for later."""
        if self.held is None:
            super().add(messages)
        else:
            self.held += messages

    def hold(self) -> None:
        """Keep what comes from now on."""
        self.held = []

    def release(self, lost: Mapping[int, set[int]]) -> list[Message]:
        """Fold what was kept but for the lost records, which it returns."""
        assert self.held is not None
        kept, self.held = self.held, None
        gone = [one for one in kept if one.offset() in lost.get(one.partition() or 0, ())]
        self.add(one for one in kept if one.offset() not in lost.get(one.partition() or 0, ()))
        return gone


class Removing(Deployment):
    """The canonical topic is the one; it has one worker, `a`."""

    oracle: Held

    def __init__(self, servers: str, folder: Path, seed: int, **fields: Any) -> None:
        """As a deployment's. metrics_port must be among the fields."""
        super().__init__(servers, folder, seed, **fields)
        self.witness = Witness(
            self.settings.topics.canonical, folder / "a.log", self.settings.observation.metrics_port
        )

    def make_oracle(self, catalog: list[Message]) -> Oracle:
        """One that can wait."""
        return Held(self.settings, catalog)

    def read_on(self) -> dict[int, int]:
        """Read the log, and return its ends as far as it was read; only that may be removed."""
        self.look()
        ends = dict(self.oracle.ends)
        for one in self.oracle.held or ():
            ends[one.partition() or 0] = (one.offset() or 0) + 1
        return ends

    def judge(self) -> None:
        """Wait until the group has read all. What was named is lost, and is expected nowhere."""
        until(lambda: not self.lag(), "the end of the log", SETTLE_S)
        lost = self.witness.look()
        assert any(lost.values()), "nothing was removed unread"
        self.look()
        for message in self.oracle.release(lost):
            self._forget(message)

    def _forget(self, message: Message) -> None:
        try:
            event = orjson.loads(message.value() or b"")
            user, event_id = event["user_id"], event["event_id"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return
        self.load.taken[user].remove(event_id)
        if not self.load.taken[user]:
            del self.load.taken[user]

    def check(self, monotone: bool = False, books: bool = True) -> Problems:
        """Every invariant but I6: name -> its breaches."""
        found = super().check(monotone, books)
        found[BOOKS] += self.witness.problems()
        booked = {of["partition"]: of["offsets"] for of in audit(self.settings).removed}
        told = {partition: len(offsets) for partition, offsets in self.witness.lost.items() if offsets}
        if booked != told:
            found[BOOKS].append(f"removed unread by partition: {told} in the log, {booked} in the books")
        return found


class RemovingSource(Ingesting):
    """The raw source is the one; it has one worker, `a`."""

    def __init__(self, servers: str, folder: Path, seed: int, **fields: Any) -> None:
        """As Ingesting's. metrics_port must be among the fields."""
        super().__init__(servers, folder, seed, raw={"raw": PARTITIONS}, **fields)
        self.source = self.load.loads[0].topic
        self.witness = Witness(self.source, folder / "a.log", self.settings.observation.metrics_port)

    def ends(self) -> dict[int, int]:
        """Of the source, now."""
        return self.offsets([TopicPartition(self.source, p) for p in range(PARTITIONS)])

    def read(self) -> dict[int, int]:
        """Offset behind what the group has committed of the source."""
        return self.committed(self.source, PARTITIONS)

    def judge(self) -> None:
        """Wait until the group has read all. What was named is lost, and is expected nowhere."""
        until(lambda: not self.lag(), "the end of the source", SETTLE_S)
        lost = self.witness.look()
        assert any(lost.values()), "nothing was removed unread"
        taken = self.load.loads[0].events_taken
        self.load.gone |= {name for name, one in taken.items() if one.offset in lost.get(one.partition, ())}

    def check(self, monotone: bool = False, books: bool = True) -> Problems:
        """Every invariant but I6: name -> its breaches."""
        found = super().check(monotone, books)
        found[BOOKS] += self.witness.problems()
        return found


def remove(admin: AdminClient, topic: str, before: Mapping[int, int]) -> None:
    """As retention does: offsets below are gone, by partition."""
    asked = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
    for done in admin.delete_records(asked).values():
        done.result(ANSWER_S)
