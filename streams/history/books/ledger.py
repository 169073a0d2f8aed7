"""The books as numbers: what `interestflow audit` tells, and when they balance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OUTCOMES = ("applied", "late", "duplicate", "repeat", "neutral", "waiting", "dropped", "recovered")


@dataclass(slots=True)
class Books:
    """Counts of one deployment, from its topics.

    sources: records in each raw source now. not_ingested: those of them that no worker has come to yet. forgotten:
    those that were ingested, but whose canonical records or rejections have been removed since. gaps: those that were
    read and are nowhere. canonical, rejected: what is in these topics now, rejected by reason and without repeats.
    canonical_direct: of no raw source. canonical_repeats: of an origin that is there already; by source topic in
    `repeats`. read, outcomes, rejected_update: events since the beginning, as the states' marks say. unread: canonical
    records behind the marks. removed: offsets that were removed before they were read. items: the catalogue's records
    by what became of them. actions_without_rule: canonical events by action word, the most frequent ones;
    actions_without_rule_other: events of further words.
    """

    sources: dict[str, int] = field(default_factory=dict)
    not_ingested: dict[str, int] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    canonical: int = 0
    canonical_repeats: int = 0
    canonical_direct: int = 0
    repeats: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    rejected_repeats: int = 0
    without_user: int = 0
    read: int = 0
    unread: int = 0
    removed: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    rejected_update: int = 0
    users: int = 0
    actions_without_rule: dict[str, int] = field(default_factory=dict)
    actions_without_rule_other: int = 0
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
