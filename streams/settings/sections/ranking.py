"""How the recommender `hybrid` ranks and learns. No other recommender uses these."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streams.settings.section import Section


class RankingSettings(Section):
    """How candidates are ranked, and how the ranker learns."""

    # `linear` (weights per segment; its reasons add up exactly), or `mlp` (a network of 32 units; costs more).
    ranker: Literal["linear", "mlp"] = "linear"
    # How far a weight moves at its first step (AdaGrad); later steps are shorter. Larger where behaviour changes fast.
    rate: float = Field(default=0.05, gt=0.0, le=1.0, alias="ranking_rate")
    # The same for the weights of a segment; of the `mlp` for all behind its first layer's input.
    segment_rate: float = Field(default=0.02, gt=0.0, le=1.0, alias="ranking_segment_rate")
    # Requests whose candidates are kept for learning (about 50 KB each); others are found again.
    remembered: int = Field(default=256, ge=0, le=100_000, alias="ranking_remembered")
    # Lists that are kept until their users use an item, so that the ranker learns from it (about 5 KB each); a user
    # whose list is no longer there teaches nothing.
    lists: int = Field(default=10_000, ge=0, le=1_000_000, alias="ranking_lists")
    # Added to the score of an item that was used fewer than three times; 1 or so lets new items in. Needs what the
    # stream has learned of items.
    cold_bias: float = Field(default=0.0, ge=0.0, le=100.0, alias="ranking_cold_bias")
    # What an item loses for each unit of its cosine with the nearest item that stands higher; 1 or so.
    diversity: float = Field(default=0.0, ge=0.0, le=100.0, alias="ranking_diversity")
    # Share of a list's places that is filled by lower candidates, by chance.
    exploration: float = Field(default=0.0, ge=0.0, le=1.0, alias="ranking_exploration")
    # Leave out an item whose newest remembered event has a weight below 0.
    exclude_disliked: bool = Field(default=False, alias="ranking_exclude_disliked")
