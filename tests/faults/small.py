"""Settings of a deployment that is small and quick, and whose topics are its own."""

from __future__ import annotations

import uuid
from typing import Any

from streams.kafka.topics import specifications as topics
from streams.settings.settings import Settings
from streams.settings.source_topics import Source

# Short, so that a fault does not take longer than it must; the setting's own lower bound is Kafka's default.
SESSION_S = 2.0


def small_settings(servers: str, prefix: str, **fields: Any) -> Settings:
    """Settings of a deployment whose topics are its own: small batches, a canonical source, no model to load."""
    own: dict[str, Any] = {
        "kafka_bootstrap_servers": servers,
        "app": prefix + "app",
        "sources": (Source(topic=prefix + "events", format="canonical"),),
        "encoder": "hashing",
        "dimensions": 16,
        "partitions": 2,
        "batch_events": 25,
        "commit_interval_s": 0.2,
        "recommend_interval_s": 0.1,
        "shutdown_deadline_s": 20.0,
        "metrics_port": 0,
    }
    # The broker of these tests allows shorter session time-outs than settings do.
    session_s = fields.pop("session_timeout_s", SESSION_S)
    return Settings(**{**topics.prefixed(prefix), **own, **fields}).model_copy(
        update={"session_timeout_s": session_s}
    )


def new_prefix() -> str:
    """Start of the names of a deployment's topics."""
    return f"f{uuid.uuid4().hex[:10]}."
