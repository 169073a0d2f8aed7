"""How often what was shown was used: counts by outcome, arm and source, and the rates that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from streams.flow.feedback.ids import ARMS, source_of
from streams.flow.feedback.impressions import OUTCOMES, Joined
from streams.state.changelog import FeedbackCounts
from streams.state.store import PartitionState

SHOWN, USED, *_ = OUTCOMES


def count(part: PartitionState, joined: Joined, last_offset: int) -> bool:
    """Count what the events of a batch up to `last_offset` said; false where they said nothing new."""
    before = counts_of(part)
    new = joined.only(joined.offsets > before.offset)
    counts = Counter(before.counts)
    columns = new.outcomes, new.impressions["arm"], new.impressions["source"]
    said, numbers = np.unique(np.stack(columns, axis=1).astype(np.int64), axis=0, return_counts=True)
    for (outcome, arm, source), number in zip(said.tolist(), numbers.tolist(), strict=True):
        name = ARMS[min(arm, len(ARMS) - 1)]
        counts[f"{OUTCOMES[outcome]}.{name}.{source_of(source)}"] += number
    part.feedback = FeedbackCounts(max(before.offset, last_offset), dict(counts))
    return len(new) > 0


def counts_of(part: PartitionState) -> FeedbackCounts:
    """Of a partition so far."""
    return part.feedback if isinstance(part.feedback, FeedbackCounts) else FeedbackCounts(-1, {})


def total(parts: Iterable[PartitionState]) -> Counter[tuple[str, str, str]]:
    """Of all partitions, by outcome, arm and source."""
    found: Counter[tuple[str, str, str]] = Counter()
    for part in parts:
        for name, number in counts_of(part).counts.items():
            outcome, arm, source = name.split(".", 2)
            found[outcome, arm, source] += number
    return found


def rates(counts: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str], float]:
    """Click-through rates: uses per impression, by (`source`, name) and (`arm`, name)."""
    shown, used = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for (outcome, arm, source), number in counts.items():
        for key in (("arm", arm), ("source", source)):
            shown[key] += number if outcome == SHOWN else 0
            used[key] += number if outcome == USED else 0
    return {key: used[key] / number for key, number in shown.items() if number}


# Impressions of each arm that count beforehand, at the rate of both arms together.
BEFOREHAND = 100.0
LEAST, MOST = 0.25, 2.0


def exploration_factor(counts: Mapping[tuple[str, str, str], int]) -> float:
    """By what the share of exploration is to be multiplied: its rate by that of exploitation, LEAST to MOST.

    Items that were drawn by chance are as good as others' where the rates are equal: then exploring costs nothing. It
    never ends, for who does not explore learns nothing of what changes.
    """
    exploit, explore = ((_of(counts, SHOWN, arm), _of(counts, USED, arm)) for arm in ARMS[:2])
    if not exploit[0] or not exploit[1] + explore[1]:
        return 1.0
    both = (exploit[1] + explore[1]) / (exploit[0] + explore[0])
    rate = [(used + BEFOREHAND * both) / (shown + BEFOREHAND) for shown, used in (exploit, explore)]
    return min(max(rate[1] / rate[0], LEAST), MOST)


def _of(counts: Mapping[tuple[str, str, str], int], outcome: str, arm: str) -> int:
    return sum(number for key, number in counts.items() if key[:2] == (outcome, arm))
