"""Bounds on what is read."""

from __future__ import annotations

from pydantic import Field

from streams.settings.section import Section


class LimitSettings(Section):
    """Bounds on each record that is read, checked before parsing where possible."""

    max_bytes: int = Field(default=1_048_576, ge=256, alias="limit_bytes")
    max_depth: int = Field(default=32, ge=2, alias="limit_depth")
    max_id_length: int = Field(default=256, ge=1, le=1024, alias="limit_id_length")
    max_text_length: int = Field(default=10_000, ge=1, alias="limit_text_length")
    # Events of one record: products of an order, members of a batch.
    max_events: int = Field(default=1000, ge=1, le=100_000, alias="limit_events")
    # Seconds by which an event's time may lie ahead of the worker's clock, where the broker did not set the record's
    # time (CreateTime). A source's event beyond is moved back to there; one of a canonical source is rejected.
    future_tolerance_s: float = Field(default=60.0, ge=0, le=3600)
