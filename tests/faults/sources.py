"""Source topics of events that must be ingested: what was written, and where it stands there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient, NewTopic

from tests.faults.load import Events, Load

# Weighs nothing (docs/concepts.md): it counts as read, and moves no interest.
UNMOVING = b'"action":"impression"'


@dataclass(frozen=True, slots=True)
class Written:
    """An event that the broker has taken. moves: it moves its user's interest."""

    user: str
    topic: str
    partition: int
    offset: int
    moves: bool


class SourceLoad(Load):
    """Writes to one source topic."""

    def __init__(self, servers: str, topic: str, seed: int, broken: float = 0.02) -> None:
        super().__init__(servers, topic, Events(seed, broken, source=f"{topic}#"))
        # By name.
        self.events_taken: dict[str, Written] = {}

    def took(self, user: str, event_id: str, message: Message) -> None:
        """The broker has an event."""
        place = message.topic(), message.partition(), message.offset()
        self.events_taken[event_id] = Written(user, *place, UNMOVING not in message.value())


class Sources:
    """Writes to several source topics in turn, and knows each event by its name."""

    def __init__(self, loads: Collection[SourceLoad]) -> None:
        self.loads = list(loads)
        # Removed from their source before they were ingested.
        self.gone: set[str] = set()

    def write(self, count: int, rate: float = 0.0) -> None:
        """Write so many events to each source, at `rate` per second (0: at once)."""
        for load in self.loads:
            load.write(count, rate)

    @contextmanager
    def flowing(self, rate: float) -> Iterator[None]:
        """Events come at `rate` per second in all for the length of the block."""
        with ExitStack() as stack:
            for load in self.loads:
                stack.enter_context(load.flowing(rate / len(self.loads)))
            yield

    @property
    def names(self) -> set[str]:
        """Of all events that can have been ingested."""
        return {name for load in self.loads for name in load.events_taken} - self.gone

    def events(self) -> Iterator[Written]:
        """They themselves."""
        for load in self.loads:
            yield from (one for name, one in load.events_taken.items() if name not in self.gone)

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """By user: events, and those that move the interest."""
        events = list(self.events())
        return Counter(e.user for e in events), Counter(e.user for e in events if e.moves)

    def removed(self, topic: str, before: Mapping[int, int]) -> set[str]:
        """Names of the events of a topic that stand before these offsets, by partition."""
        return {
            name
            for load in self.loads
            for name, event in load.events_taken.items()
            if event.topic == topic and event.offset < before[event.partition]
        }


def make_topic(admin: AdminClient, topic: str, partitions: int) -> None:
    """A source topic as a company has it: with another number of partitions than ours, and the brokers' copies."""
    config = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic(topic, partitions, config=config)])[topic].result(20)
