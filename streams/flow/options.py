"""What the flow needs of the settings."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from streams.events.rejections import Limits
from streams.flow.behaviour_text import Templates


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """The settings say how to choose each."""

    limits: Limits
    top_k: int = 20
    reasons: int = 3
    recommend: bool = True
    exclude_consumed: bool = True
    consuming_actions: Container[str] = frozenset()
    waiting_per_user: int = 64
    waiting_bytes_per_user: int = 2_097_152
    waiting_per_partition: int = 100_000
    # Part of an event's text in its vector beside its item's; an event without item is its text alone.
    text_share: float = 0.3
    # Sentences that are encoded in place of the events' items; None where the items are encoded.
    templates: Templates | None = None
    # The topic of the events, which the rejection of an event that waited names.
    canonical_topic: str = "behavior.events.v1"
