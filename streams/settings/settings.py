"""Every knob: its environment variable, its unit, and how to choose it.

Values come, in rising order, from the defaults below, a TOML file, environment variables
(`INTERESTFLOW_` + the upper-case field name) and command-line options. They are validated together;
`configuration` reads them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streams.settings.action_rules import DEFAULT_ACTIONS, LARGEST_WEIGHT, ActionRule, by_spelled_word
from streams.settings.encoder import CommaSeparated, EncoderSettings
from streams.settings.errors import UserError
from streams.settings.kafka import KafkaSettings
from streams.settings.registries import MODELS, RECOMMENDERS, SINKS
from streams.settings.source_topics import Source, Sources

ENV_PREFIX = "INTERESTFLOW_"
CONFIG_VARIABLE = "INTERESTFLOW_CONFIG"

HalfLifeUnit = Literal["seconds", "events"]

DAY_S = 86_400.0


class SettingsError(UserError):
    """One message that names every wrong setting and what to do about it."""


class Settings(KafkaSettings, EncoderSettings, BaseSettings):
    """All settings. Environment variable of a field: INTERESTFLOW_ + its name in upper case."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, validate_default=True
    )

    # --- Deployment --------------------------------------------------------------------------------
    # Name of the deployment: consumer group and state changelog are `<app>-g<generation>…`.
    app: str = Field(default="interestflow", pattern=r"^[A-Za-z0-9._-]+$", max_length=100)
    # Raise it for a new model, encoder or projection: own group and changelog, rebuilt by replay.
    generation: int = Field(default=1, ge=1)
    # Stable name of this worker (static membership): restarts within the session time-out move nothing.
    group_instance_id: str | None = None
    # Seconds without a heartbeat until the group gives a worker's partitions away; longer than a GC pause.
    session_timeout_s: float = Field(default=30.0, ge=6.0)

    # --- Topics ------------------------------------------------------------------------------------
    # JSON list of {"topic", "format"}, or topic:format,topic:format.
    sources: Sources = (Source(topic="behavior.raw.v1", format="native"),)
    topic_events: str = "behavior.events.v1"
    topic_rejected: str = "behavior.rejected.v1"
    topic_items: str = "catalog.items.v1"
    topic_embeddings: str = "catalog.embeddings.v1"
    topic_vectors: str = "interest.vectors.v1"
    topic_recommendations: str = "recommendations.v1"
    # Partitions of the topics that `topics create` makes: the upper bound of workers; cannot shrink.
    partitions: int = Field(default=4, ge=1, le=10_000)
    # Copies of each topic that `topics create` makes: 3 on a real cluster, 1 on a single local broker.
    replication_factor: int = Field(default=1, ge=1)

    # --- Ingest limits (checked before parsing where possible) ---------------------------------------
    limit_bytes: int = Field(default=1_048_576, ge=256)
    limit_depth: int = Field(default=32, ge=2)
    limit_id_length: int = Field(default=256, ge=1, le=1024)
    limit_text_length: int = Field(default=10_000, ge=1)
    # Events of one record: products of an order, members of a batch.
    limit_events: int = Field(default=1000, ge=1, le=100_000)

    # Seconds by which an event's time may lie ahead of the worker's clock, where the broker did not set the record's
    # time (CreateTime). A source's event beyond is moved back to there; one of a canonical source is rejected.
    future_tolerance_s: float = Field(default=60.0, ge=0, le=3600)

    # --- Interest ----------------------------------------------------------------------------------
    # `decay`, or the model of an installed package. Another one needs another generation.
    model: Annotated[str, AfterValidator(MODELS.require)] = "decay"
    # Short-term half-life: what the user is after now. In seconds, or in the user's own events.
    short_half_life: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    short_half_life_unit: HalfLifeUnit = "events"
    # Long-term half-life: the lasting taste.
    long_half_life: float = Field(default=30 * DAY_S, gt=0, allow_inf_nan=False)
    long_half_life_unit: HalfLifeUnit = "seconds"
    # Share of the short-term direction in the published vector; the rest is the long-term one.
    short_share: float = Field(default=0.5, ge=0.0, le=1.0)
    # Weights per action word, merged over the defaults. Spelling and case do not count, and synonyms have the rule of
    # their word (see action_synonyms) unless they have one here. An unknown word has `default_action_weight`: it moves
    # nothing by default, and the log, `audit` and interestflow_unknown_actions_total name it.
    actions: dict[str, ActionRule] = Field(default_factory=dict)
    default_action_weight: float = Field(
        default=0.0, ge=-LARGEST_WEIGHT, le=LARGEST_WEIGHT, allow_inf_nan=False
    )
    # Share of an event's text (a comment) beside its item's vector; a search is its text alone.
    text_share: float = Field(default=0.3, ge=0.0, le=10.0)
    # Recent item events kept per user to explain recommendations; 32 bytes each.
    history_length: int = Field(default=16, ge=1, le=256)
    # Ids of the last events kept per user, by which a producer's repeats are told; 8 bytes each.
    dedupe_window: int = Field(default=16, ge=1, le=1024)
    # Items kept per user as consumed, so that they are not recommended again; the oldest is forgotten. 8 bytes
    # each, in memory and in every changelog record of the user.
    consumed_per_user: int = Field(default=2000, ge=1, le=100_000)
    # Events kept for items that are not in the catalog yet: per user, and per partition in all.
    waiting_per_user: int = Field(default=64, ge=0)
    # Bytes of them per user: each of the user's changelog records holds them, and the state topic must take that
    # (`topics create` and `topics check` see to it). What comes beyond the bounds is dropped, and counted.
    waiting_bytes_per_user: int = Field(default=2_097_152, ge=0, le=64_000_000)
    waiting_per_partition: int = Field(default=100_000, ge=0)

    # --- Memory of the states -------------------------------------------------------------------------
    # Most users in memory per worker, shared evenly among its partitions; none for all of them. The least recently
    # active go to a local file and come back with their next event. About 2 KB each, and more for consumed items.
    users_in_memory: int | None = Field(default=None, ge=1)
    # Folder of that file, on a fast local disk that holds all users' states twice; workers may share it.
    evicted_dir: Path | None = None

    # --- Recommendations ---------------------------------------------------------------------------
    recommend: bool = True
    # `content` (the items whose vectors are nearest), or the recommender of an installed package.
    recommender: Annotated[str, AfterValidator(RECOMMENDERS.require)] = "content"
    top_k: int = Field(default=20, ge=1, le=1000)
    # True where nobody consumes twice (films, news); false where they do (shops, music).
    exclude_consumed: bool = True
    # Actions that count as consumed.
    consuming_actions: CommaSeparated = (
        "click",
        "play",
        "rate",
        "like",
        "purchase",
        "dislike",
        "comment",
        "review",
    )
    # At most one recommendation per user and interval (seconds, wall clock).
    recommend_interval_s: float = Field(default=1.0, ge=0.0)
    # Events named as reasons of one item.
    reasons: int = Field(default=3, ge=0, le=16)

    # --- Output ------------------------------------------------------------------------------------
    # base64: little-endian float32, compact; array: JSON numbers, for readers without a decoder.
    vector_format: Literal["base64", "array"] = "base64"
    # Where vectors and recommendations go: `kafka` (their topics, which audit and replay read), and the destinations of
    # installed packages. A batch is acknowledged when all of them have it.
    destinations: Annotated[CommaSeparated, AfterValidator(SINKS.require_all)] = ("kafka",)

    # --- Throughput and latency --------------------------------------------------------------------
    # Events fetched into one partition batch at most; larger is faster, smaller is smoother.
    batch_events: int = Field(default=4000, ge=1, le=100_000)
    # Batches of a partition whose deliveries may be outstanding.
    batches_in_flight: int = Field(default=4, ge=1, le=64)
    # Seconds between commits of the consumer group (the changelog, not the group offset, is the truth).
    commit_interval_s: float = Field(default=2.0, gt=0)
    # Seconds that recovery of the state may take before the worker gives up.
    recovery_deadline_s: float = Field(default=600.0, gt=0)
    # Folder of its own, on a local disk, for a copy of the states, so that a restart reads only the end of the
    # changelog; off by default. As large as the states; memory for one partition's more while it is copied.
    snapshot_dir: Path | None = None
    # Seconds between two copies: what a restart after a kill has to read again of the changelog, at most.
    snapshot_interval_s: float = Field(default=300.0, gt=0)
    # Seconds that brokers or encoder may be away, asked again and again, before the worker ends (exit status 70, at
    # the start 1). Longer than a broker's restart; whoever runs the worker starts it again.
    retry_deadline_s: float = Field(default=300.0, gt=0)
    # Seconds that a graceful shutdown may take before a hard exit.
    shutdown_deadline_s: float = Field(default=30.0, gt=0)

    # --- Observation -------------------------------------------------------------------------------
    # Port of /metrics, /livez, /readyz; 0 picks a free one.
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options over environment over the TOML file named by INTERESTFLOW_CONFIG."""
        config = os.environ.get(CONFIG_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, Path(config)),) if config else ()
        return (init_settings, env_settings, *toml)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = []
        try:
            by_spelled_word(self.actions)
        except ValueError as error:
            problems.append(f"actions: {error}")
        topics = [source.topic for source in self.sources]
        if len(set(topics)) != len(topics):
            problems.append("sources: a topic is listed twice; list each once")
        if sum(source.format == "canonical" for source in self.sources) > 1:
            problems.append(
                "sources: one canonical topic at most, since a user's events must be in one order"
            )
        if any(s.topic == self.canonical_topic and s.format != "canonical" for s in self.sources):
            problems.append(f"sources: {self.canonical_topic} is canonical; give it the format canonical")
        if "kafka" not in self.destinations:
            problems.append("destinations: kafka must be one of them, for audit and replay read its topics")
        if (self.users_in_memory is None) != (self.evicted_dir is None):
            problems.append("users_in_memory, evicted_dir: set both, or neither for all users in memory")
        if self.users_in_memory is not None and self.snapshot_dir is not None:
            problems.append("users_in_memory, snapshot_dir: one of both, for a snapshot is of memory alone")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def group(self) -> str:
        """Consumer group of this generation."""
        return f"{self.app}-g{self.generation}"

    @property
    def topic_state(self) -> str:
        """State changelog of this generation."""
        return f"{self.group}-state"

    @property
    def raw_sources(self) -> tuple[Source, ...]:
        return tuple(source for source in self.sources if source.format != "canonical")

    @property
    def canonical_topic(self) -> str:
        """The canonical topic that the state is keyed by: the canonical source if there is one, else ours."""
        return next((s.topic for s in self.sources if s.format == "canonical"), self.topic_events)

    @property
    def action_rules(self) -> dict[str, ActionRule]:
        """By action word, as `action_words.spell` writes it."""
        return {**DEFAULT_ACTIONS, **by_spelled_word(self.actions)}
