"""The books as numbers: what `interestflow audit` reports, and when they balance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OUTCOMES = ("applied", "late", "duplicate", "repeat", "neutral", "waiting", "dropped", "recovered")


@dataclass(slots=True)
class Books:
    """Counts of one deployment, from its topics."""

    # Records in each raw source now; of these, the ones that no worker has read yet; and the ones that were ingested,
    # but whose canonical records or rejections have been removed since.
    sources: dict[str, int] = field(default_factory=dict)
    not_ingested: dict[str, int] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    # Records of raw sources that were read and are neither canonical nor rejected.
    gaps: list[dict[str, Any]] = field(default_factory=list)
    # Records in the canonical topic now; those whose origin another one has; those from no raw source.
    canonical: int = 0
    canonical_repeats: int = 0
    canonical_direct: int = 0
    # canonical_repeats by source topic.
    repeats: dict[str, int] = field(default_factory=dict)
    # Records in the rejected topic now, by reason and without repeats; and the repeats.
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_repeats: int = 0
    without_user: int = 0
    # Events that the update read since the beginning, as the states' progress records say; and canonical records behind
    # the progress records.
    read: int = 0
    unread: int = 0
    # Offsets that were removed before they were read.
    removed: list[dict[str, Any]] = field(default_factory=list)
    # Of the events read: by outcome, and those rejected.
    outcomes: dict[str, int] = field(default_factory=dict)
    rejected_update: int = 0
    users: int = 0
    # Canonical events whose action has no rule: by the most frequent action words, and of all other words.
    actions_without_rule: dict[str, int] = field(default_factory=dict)
    actions_without_rule_other: int = 0
    # Records of the items topic by outcome; and those refused, by reason.
    items: dict[str, int] = field(default_factory=dict)
    items_refused: dict[str, int] = field(default_factory=dict)
    vector_records: int = 0
    vector_users: int = 0
    recommendation_records: int = 0
    recommendation_users: int = 0
    recommendation_users_empty: int = 0
    problems: list[str] = field(default_factory=list)
    # What could not be looked at, and why.
    notes: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """True where no record is unaccounted for."""
        return not self.problems
