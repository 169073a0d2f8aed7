"""What is recommended, and how often."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from streams.settings.registries import RECOMMENDERS
from streams.settings.section import CommaSeparated, Section


class RecommendationSettings(Section):
    """What is recommended to a user, how often, and with how many reasons."""

    enabled: bool = Field(default=True, alias="recommend")
    # `content` (the items whose vectors are nearest), `hybrid` (many sources and a ranker that learns; see the settings
    # of `ranking`), or the recommender of an installed package.
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
    interval_s: float = Field(default=1.0, ge=0.0, alias="recommend_interval_s")
    # Events named as reasons of one item.
    reasons: int = Field(default=3, ge=0, le=16)
