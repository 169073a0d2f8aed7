"""What a run found, as one value: the page, the file for programs and the pictures are made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from streams.history.evaluate.judged import Judged
from streams.history.evaluate.report.intervals import Interval, intervals
from streams.history.evaluate.tradeoffs.lists import DIVERSITY

# Points of the curve over time.
STEPS = 20


@dataclass(frozen=True, slots=True)
class Findings:
    """about: what was judged, by name. reference: the contender to which the ratios are. The others are by contender.

    over_time: pairs of a time, milliseconds, and NDCG@10 from then to the next, each of about as many visits.
    """

    about: Mapping[str, Any]
    reference: str
    figures: Mapping[str, Mapping[str, float]]
    ndcg: Mapping[str, Interval]
    ratio: Mapping[str, Interval]
    over_time: Mapping[str, Sequence[tuple[int, float]]]
    # By contender, what tuning chose.
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # By recommender and setting, the value and the contender of each, where a setting was varied.
    curves: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        about: Mapping[str, Any],
        all_judged: Sequence[Judged],
        reference: str,
        seed: int,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        curves: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> Findings:
        """Raises ValueError, as `intervals`."""
        ndcg, ratio = intervals(all_judged, reference, seed)
        first = all_judged[0]
        return cls(
            about={**about, "scored visits": len(first), "targets": int(first.column("targets").sum())},
            reference=reference,
            figures={judged.name: judged.figures() for judged in all_judged},
            ndcg=ndcg,
            ratio=ratio,
            over_time={judged.name: over_time(judged) for judged in all_judged},
            parameters=parameters or {},
            curves=curves or {},
        )

    def names(self) -> list[str]:
        """The contenders, the best first."""
        return sorted(self.figures, key=lambda name: -self.ndcg[name].value)

    def as_json(self) -> dict[str, Any]:
        """For programs; null for what there was nothing to measure by."""
        return {
            "about": dict(self.about),
            "reference": self.reference,
            "curves": {name: [list(point) for point in points] for name, points in self.curves.items()},
            "contenders": {
                name: {
                    "figures": {key: known(value) for key, value in self.figures[name].items()},
                    "parameters": dict(self.parameters.get(name, {})),
                    "ndcg@10": asdict(self.ndcg[name]),
                    "of the reference": {
                        key: known(value) for key, value in asdict(self.ratio[name]).items()
                    },
                    "over time": [[time, known(value)] for time, value in self.over_time[name]],
                }
                for name in self.names()
            },
        }


def known(value: float) -> float | None:
    """None for what is no finite number."""
    return value if math.isfinite(value) else None


def over_time(judged: Judged) -> list[tuple[int, float]]:
    """The first time, milliseconds, of each of STEPS parts of the visits, and NDCG@10 of the part."""
    found = []
    for part in np.array_split(np.arange(len(judged)), min(STEPS, len(judged))):
        chosen = np.zeros(len(judged), dtype=bool)
        chosen[part] = True
        found.append((int(judged.times[part[0]]), judged.per_target("gain", chosen)))
    return found


def brought(findings: Findings, curve: str) -> list[str]:
    """Figures that a curve's setting changes, beside accuracy: of the lists and of the items in them."""
    judged = [findings.figures[who] for _, who in findings.curves[curve]]
    names = [name for name in judged[0] if name in (DIVERSITY, "coverage@20") or name.startswith("share of ")]
    return [name for name in names if len({one[name] for one in judged if math.isfinite(one[name])}) > 1]
