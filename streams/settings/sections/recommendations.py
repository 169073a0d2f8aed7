"""What is recommended, how often, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from streams.settings.registries import RECOMMENDERS
from streams.settings.section import CommaSeparated, Section


def _require_pairs(given: tuple[str, ...]) -> tuple[str, ...]:
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{one!r} is no ATTRIBUTE=VALUE")
    return given


# `name=value,name=value`.
Pairs = Annotated[CommaSeparated, AfterValidator(_require_pairs)]


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
    # Only items with one of these values of each attribute that is named: `market=de,market=at,age=12`. Categories are
    # the attribute `categories`. None: all items.
    allowed: Pairs = Field(default=(), alias="recommend_allowed")
    # No items with one of these: `brand=Acme,categories=Weapons`.
    blocked: Pairs = Field(default=(), alias="recommend_blocked")
    # At most one recommendation per user and interval (seconds, wall clock).
    interval_s: float = Field(default=1.0, ge=0.0, alias="recommend_interval_s")
    # Learn of items from all users' events (how often each was used, by whom, and what beside it) and give every worker
    # what was learned; needs three more topics: run `interestflow topics create`.
    learn_items: bool = False
    # What is learned beside an item: its pairs with the items that its user used before, so many of an event at most.
    # Three of four say what comes after, the rest what comes before. 40, with the last 20 items: all that are made.
    learned_pairs: int = Field(default=16, ge=0, le=40)
    # Seconds between two writings of an item that changes, at least: what is learned is as old, and so many records
    # of 3 to 4 KB are saved. Longer by itself where so many items change that writing takes a twentieth of the time.
    learned_interval_s: float = Field(default=1.0, gt=0.0)
    # Events named as reasons of one item.
    reasons: int = Field(default=3, ge=0, le=16)
    # Where the catalog has more items, an index finds those nearest to a user's vectors; in smaller ones, and with 0 in
    # all, they are found exactly. 100,000 is where exact gets dearer.
    approximate_above: int = Field(default=100_000, ge=0)
    # Share of the nearest items that the index is to find, measured on items of the catalog; more costs more.
    approximate_recall: float = Field(default=0.97, gt=0.0, le=1.0)
    # A sentence for each item, from its strongest reason: `en` (English), `zh` (Chinese) or `none`. The worker then
    # keeps the items' titles in memory.
    reason_language: Literal["none", "en", "zh"] = "none"
    # The path of each reason (event, list of neighbours, item), for whoever draws it.
    reason_paths: bool = False


class FeedbackSettings(Section):
    """Which events say that an item was shown, and how long a use of it counts as an answer."""

    # Give each recommended item an id of its own, and join the events that bring it back with what the user uses.
    # Another generation, for what was shown is kept in the users' states.
    enabled: bool = Field(default=False, alias="feedback")
    # Actions that say that an item was shown. Their events carry the item's `recommendation_id`.
    impression_actions: CommaSeparated = ("impression",)
    # The attribution window: seconds of event time in which a use answers an impression of the same item. An hour or
    # so where people decide at once, a day or more where they come back.
    window_s: float = Field(default=86_400.0, gt=0.0, allow_inf_nan=False, alias="feedback_window_s")
    # Impressions per user that wait for an answer; beyond it the oldest is dropped, unjudged. 32 bytes each, in memory
    # and in every changelog record of the user. Twice INTERESTFLOW_TOP_K or so.
    remembered: int = Field(default=40, ge=1, le=1000, alias="feedback_remembered")
    # What an impression without an answer teaches the ranker against the item, where a use teaches 1 for it; 0 for
    # nothing.
    ignored_weight: float = Field(default=0.1, ge=0.0, le=1.0, alias="feedback_ignored_weight")
    # Let the share of exploration follow its click-through rate against that of the other places: between a quarter
    # and twice INTERESTFLOW_RANKING_EXPLORATION.
    adapt_exploration: bool = Field(default=False, alias="feedback_adapts_exploration")

    @property
    def shown(self) -> int:
        """Impressions that a user's state holds."""
        return self.remembered if self.enabled else 0
