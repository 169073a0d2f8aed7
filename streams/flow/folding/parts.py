"""What events are folded with."""

from __future__ import annotations

from dataclasses import dataclass

from streams.flow.event_history import EventHistory
from streams.flow.feedback.joining import FeedbackJoin
from streams.flow.options import FlowOptions
from streams.flow.outputs import Writer
from streams.flow.signals import EventWeights
from streams.interest.base import InterestModel
from streams.recommend import Catalog
from streams.state.users.layout import UserLayout


@dataclass(frozen=True, slots=True)
class FoldParts:
    """Of one flow, which owns them. writer: renders the vectors."""

    model: InterestModel
    layout: UserLayout
    catalog: Catalog
    event_weights: EventWeights
    writer: Writer
    options: FlowOptions
    history: EventHistory
    # Whether a batch tells which items each user used.
    tells_uses: bool = False
    # Joins what was shown with what was used; None where nobody asks.
    feedback: FeedbackJoin | None = None
