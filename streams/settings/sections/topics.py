"""The names that a deployment has on Kafka: its topics and its consumer group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from streams.settings.section import Section
from streams.settings.source_topics import Source, Sources
from streams.settings.topic_names import TopicName, shared

# Those that no producer of behaviour writes, and that are there whatever the sources are.
OWN = ("rejected", "items", "embeddings", "learned", "vectors", "recommendations")


class TopicSettings(Section):
    """What a deployment is called, and the topics that it reads and writes."""

    # Name of the deployment: consumer group and state changelog are `<app>-g<generation>…`.
    app: str = Field(default="interestflow", pattern=r"^[A-Za-z0-9._-]+$", max_length=100)
    # Raise it for a new model, encoder or projection: own group and changelog, rebuilt by replay.
    generation: int = Field(default=1, ge=1)
    # JSON list of {"topic", "format"}, or topic:format,topic:format.
    sources: Sources = (Source(topic="behavior.raw.v1", format="native"),)
    events: TopicName = Field(default="behavior.events.v1", alias="topic_events")
    rejected: TopicName = Field(default="behavior.rejected.v1", alias="topic_rejected")
    items: TopicName = Field(default="catalog.items.v1", alias="topic_items")
    embeddings: TopicName = Field(default="catalog.embeddings.v1", alias="topic_embeddings")
    # What the stream has learned of items; used where INTERESTFLOW_LEARN_ITEMS is true.
    learned: TopicName = Field(default="catalog.learned.v1", alias="topic_learned")
    vectors: TopicName = Field(default="interest.vectors.v1", alias="topic_vectors")
    recommendations: TopicName = Field(default="recommendations.v1", alias="topic_recommendations")
    # Partitions of the topics that `topics create` makes: the upper bound of workers; cannot shrink.
    partitions: int = Field(default=4, ge=1, le=10_000)
    # Copies of each topic that `topics create` makes: 3 on a real cluster, 1 on a single local broker.
    replication_factor: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        problems = shared(self._named())
        if not self.sources:
            problems.append("sources: name at least one topic, else a worker would read nothing")
        topics = [source.topic for source in self.sources]
        if len(set(topics)) != len(topics):
            problems.append("sources: a topic is listed twice; list each once")
        if sum(source.format == "canonical" for source in self.sources) > 1:
            problems.append(
                "sources: one canonical topic at most, since a user's events must be in one order"
            )
        if any(s.topic == self.canonical and s.format != "canonical" for s in self.sources):
            problems.append(f"sources: {self.canonical} is canonical; give it the format canonical")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _named(self) -> Iterator[tuple[str, str]]:
        """Each topic once per setting that names it, with the setting's variable; the sources' topics once each."""
        sources = dict.fromkeys(source.topic for source in self.sources)
        yield from ((self.variable("sources"), topic) for topic in sources)
        # A canonical source takes its place; the same topic in another format has a sentence of its own.
        if self.canonical not in sources:
            yield self.variable("events"), self.events
        yield from ((self.variable(name), getattr(self, name)) for name in OWN)
        yield from (
            (self.variable("app"), topic) for topic in (self.state, self.item_signals, self.items_state)
        )

    @property
    def group(self) -> str:
        """Consumer group of this generation."""
        return f"{self.app}-g{self.generation}"

    @property
    def state(self) -> str:
        """State changelog of this generation."""
        return f"{self.group}-state"

    @property
    def item_signals(self) -> str:
        """What users' events of this generation say of items."""
        return f"{self.group}-item-signals"

    @property
    def items_state(self) -> str:
        """Changelog of this generation's items."""
        return f"{self.group}-items-state"

    @property
    def raw_sources(self) -> tuple[Source, ...]:
        """The sources that are read through an adapter of their format."""
        return tuple(source for source in self.sources if source.format != "canonical")

    @property
    def canonical(self) -> str:
        """The canonical topic that the state is keyed by: the canonical source if there is one, else ours."""
        return next((s.topic for s in self.sources if s.format == "canonical"), self.events)
