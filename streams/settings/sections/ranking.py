"""How the recommender `hybrid` ranks and learns. No other recommender uses these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from streams.settings.section import CommaSeparated, Section


def _caps(given: tuple[str, ...]) -> tuple[str, ...]:
    for one in given:
        name, _, number = one.rpartition("=")
        if not name or not number.isascii() or not number.isdigit() or int(number) < 1:
            raise ValueError(f"{one!r} is no ATTRIBUTE=NUMBER with a number of at least 1")
    return given


def _floors(given: tuple[str, ...]) -> tuple[str, ...]:
    total = 0.0
    for one in given:
        group, _, share = one.rpartition("=")
        name, colon, value = group.partition(":")
        try:
            total += (number := float(share))
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1 or not (group == "cold" or (name and colon and value)):
            raise ValueError(
                f"{one!r} is neither cold=SHARE nor ATTRIBUTE:VALUE=SHARE with a share from 0 to 1"
            )
    if total > 1:
        raise ValueError(f"the shares add up to {total:g}, which is more than all places")
    return given


class RankingSettings(Section):
    """How candidates are ranked, and how the ranker learns."""

    # `linear` (weights per segment; its reasons add up exactly), or `mlp` (a network of 32 units; costs more).
    ranker: Literal["linear", "mlp"] = "linear"
    # How far a weight moves at its first step (AdaGrad); later steps are shorter. Larger where behaviour changes fast.
    rate: float = Field(default=0.05, gt=0.0, le=1.0, alias="ranking_rate")
    # The same for the weights of a segment; of the `mlp` for all behind its first layer's input.
    segment_rate: float = Field(default=0.02, gt=0.0, le=1.0, alias="ranking_segment_rate")
    # Learn vectors of each item from what is used after what (two-tower); about 2 KB per item in each worker.
    # Needs what the stream has learned of items, and then all workers learn them together.
    towers: bool = Field(default=True, alias="ranking_towers")
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
    # Taken from the score of an item for each time that the user was shown it lately without using it; 0.1 or so.
    shown_penalty: float = Field(default=0.0, ge=0.0, le=100.0, alias="ranking_shown_penalty")
    # Seconds of event time in which having been shown counts half.
    shown_half_life_s: float = Field(default=86_400.0, gt=0.0, alias="ranking_shown_half_life_s")
    # Items per user, and users, of whom it is remembered what was shown (8 bytes an item, about 500 a user).
    shown_items: int = Field(default=50, ge=1, le=1000, alias="ranking_shown_items")
    shown_users: int = Field(default=10_000, ge=1, le=10_000_000, alias="ranking_shown_users")
    # At most so many items with one value of an attribute in a list: `categories=3,author=1`.
    caps: Annotated[CommaSeparated, AfterValidator(_caps)] = Field(default=(), alias="ranking_caps")
    # Share of all places that a group of items gets at least, as far as candidates go: `cold=0.1` (items that were used
    # fewer than three times) or `categories:Documentary=0.05`. A share of 0 shows the group's exposure alone.
    floors: Annotated[CommaSeparated, AfterValidator(_floors)] = Field(default=(), alias="ranking_floors")
    # Over about how many places of lists these shares are kept.
    floor_window: int = Field(default=10_000, ge=100, le=10_000_000, alias="ranking_floor_window")

    def cap_sizes(self) -> dict[str, int]:
        """Attribute -> items of one value."""
        return {name: int(number) for name, _, number in (one.rpartition("=") for one in self.caps)}

    def floor_shares(self) -> dict[str, float]:
        """Group -> share."""
        return {group: float(share) for group, _, share in (one.rpartition("=") for one in self.floors)}

    def attributes(self) -> set[str]:
        """Names of the attributes that these settings ask for."""
        grouped = {group.partition(":")[0] for group in self.floor_shares() if ":" in group}
        return {*self.cap_sizes(), *grouped}
