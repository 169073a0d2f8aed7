"""How a contender did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.contender import Rows
from streams.history.evaluate.marks import COLUMNS, Doubles, ratio
from streams.items.layout import COLD_BELOW

# Least numbers of events of the slices of users.
HISTORIES = (0, 5, 20, 100)


@dataclass(frozen=True, slots=True)
class Judged:
    """Marks and costs of one contender. Visits are those of the scored half that have a target, n of them.

    numbers, users, times: (n,) each visit's number in the stream, its user and its time. marks: (n, C) by
    `marks.COLUMNS`. errors: (r,) foretold minus given ratings. named: (items,) true for what was in a list of 20.
    known: items that were used by the end. rank_s, learn_s: CPU seconds of the process. requests, events: what these
    were spent on. grown: bytes by which the process grew meanwhile.
    """

    name: str
    numbers: Rows
    users: Rows
    times: Rows
    marks: Doubles
    errors: Doubles
    named: npt.NDArray[np.bool_]
    known: int
    rank_s: float
    learn_s: float
    requests: int
    events: int
    grown: int
    kinds: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> Doubles:
        """(n,) the marks of this name."""
        found: Doubles = self.marks[:, COLUMNS.index(name)]
        return found

    def per_target(self, name: str, visits: npt.NDArray[np.bool_] | None = None) -> float:
        """The sum of these marks over all targets, per target; of a mask (n,) of visits."""
        chosen = np.ones(len(self), dtype=bool) if visits is None else visits
        return ratio(self.column(name)[chosen].sum(), self.column("targets")[chosen].sum())

    def figures(self) -> dict[str, float]:
        """The summary by name; NaN for what there was nothing to measure by."""
        return {**self._accuracy(), **self._slices(), **self._kinds(), **self._costs()}

    def _accuracy(self) -> dict[str, float]:
        return {
            "ndcg@10": self.per_target("gain"),
            "hr@10": self.per_target("hits10"),
            "hr@20": self.per_target("hits20"),
            "mrr@20": self.per_target("reciprocal"),
            "list ndcg@10": _mean(self.column("list_ndcg")),
            "list hr@20": _mean(self.column("list_hit")),
            "rmse": float(np.sqrt(_mean(self.errors**2))),
            "mae": _mean(np.abs(self.errors)),
        }

    def _slices(self) -> dict[str, float]:
        hits, cold_hits = self.column("hits20").sum(), self.column("cold_hits").sum()
        targets, cold = self.column("targets").sum(), self.column("cold_targets").sum()
        return {
            **{
                f"ndcg@10 of {name}": self.per_target("gain", some) for name, some in self.histories().items()
            },
            f"hr@20 of items with 1-{COLD_BELOW - 1} uses": ratio(cold_hits, cold),
            "hr@20 of other items": ratio(hits - cold_hits, targets - cold),
        }

    def histories(self) -> dict[str, npt.NDArray[np.bool_]]:
        """(n,) true for the visits of users with so many events before; the first are the cold ones."""
        events = self.column("user_events")
        found = {}
        for low, high in zip(HISTORIES, (*HISTORIES[1:], np.inf), strict=True):
            name = f"{low}+ events" if np.isinf(high) else f"{low}-{high - 1} events"
            found[name] = (events >= low) & (events < high)
        return found

    def _kinds(self) -> dict[str, float]:
        named, wanted = (_mean(self.column(name)) for name in ("popularity", "target_popularity"))
        return {
            "coverage@20": ratio(self.named.sum(), self.known),
            "novelty bits": _mean(self.column("novelty")),
            "popularity": named,
            "popularity lift": ratio(named, wanted),
            "calibration nats": _mean(self.column("calibration")),
            **self.kinds,
        }

    def _costs(self) -> dict[str, float]:
        return {
            "µs per request": ratio(self.rank_s * 1e6, self.requests),
            "µs per event": ratio(self.learn_s * 1e6, self.events),
            "MB": self.grown / 1e6,
        }


def _mean(values: Doubles) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
