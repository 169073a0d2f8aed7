"""What the flow needs of the settings."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from streams.events.rejections import Limits
from streams.flow.behaviour_text import Templates
from streams.flow.learning.shown import Shown
from streams.settings.sections.interest import WeightSettings
from streams.settings.sections.recommendations import FeedbackSettings, RecommendationSettings
from streams.settings.sections.state import UserStateSettings
from streams.settings.sections.topics import TopicSettings

NO_FEEDBACK = FeedbackSettings()


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """Sections as they are, and what is built of several of them. A new field of a section is here at once."""

    topics: TopicSettings
    weights: WeightSettings
    user_state: UserStateSettings
    recommendations: RecommendationSettings
    limits: Limits
    # `recommendations.consuming_actions`, in any spelling.
    consuming_actions: Container[str]
    # Sentences that are encoded in place of the events' items; None where the items are encoded.
    templates: Templates | None
    # A vector for each event that moves its user, and not one per batch and user.
    vector_per_event: bool
    # Lists that are kept until their users act, where the recommender learns.
    lists: int = 0
    # What is remembered of what users were shown; None where it does not matter.
    shown: Shown | None = None
    feedback: FeedbackSettings = NO_FEEDBACK

    @property
    def needs_titles(self) -> bool:
        """Whether something is written with items' titles."""
        return self.templates is not None or self.recommendations.reason_language != "none"
