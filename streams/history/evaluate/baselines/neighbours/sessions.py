"""Sessions like the user's latest items: V-SkNN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.histories import Histories
from streams.history.evaluate.baselines.ranking import Scores
from streams.history.evaluate.baselines.search import between, one_of
from streams.history.evaluate.contender import Request, Rows
from streams.kernels.compiling import kernel

DAY_MS = 86_400_000
# Latest sessions that are kept of each item: of a popular item they are the sample that V-SkNN takes.
SAMPLE = 500
NONE = -1


@kernel("i8:C1 f8:C1 i8:C2 i8:C1 i8 f8:C1! i8:C1!")
def _overlaps(
    rows: Any, weights: Any, rings: Any, counts: Any, own: int, similarities: Any, touched: Any
) -> int:
    """Sum the weights of the rows that each session shares; write which sessions do, and return their number."""
    found = 0
    for n in range(len(rows)):
        for place in range(min(counts[rows[n]], rings.shape[1])):
            session = rings[rows[n], place]
            if session == own:
                continue
            if similarities[session] == 0.0:
                touched[found] = session
                found += 1
            similarities[session] += weights[n]
    return found


@kernel("i8:C1 f8:C1 i8:C1 i8:C1 i8:C1 f8:C1!")
def _vote(sessions: Any, strengths: Any, heads: Any, following: Any, elements: Any, scores: Any) -> None:
    """scores[j] += strength of each session that holds j."""
    for n in range(len(sessions)):
        at = heads[sessions[n]]
        while at >= 0:
            scores[elements[at]] += strengths[n]
            at = following[at]


@dataclass(kw_only=True, eq=False)
class SessionKNN(Baseline):
    """similarity(s) = sum of fade^k over the user's k-th last items that session s holds, / |s|^length;
    score(j) = idf(j)^rarity * sum of similarity over the nearest sessions that hold j.

    A session is what one user used on one UTC day. Ludewig and Jannach, UMUAI 2018 (V-SkNN).
    """

    name = "v_sknn"
    asked: int = one_of(20, (3, 10, 20, 50))
    fade: float = between(0.9, 0.6, 1.0)
    neighbours: int = between(200, 50, 1000, log=True)
    length: float = between(0.5, 0.0, 1.0)
    rarity: float = between(0.5, 0.0, 1.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._histories = Histories()
        self._rings = np.zeros((self.items, SAMPLE), dtype=np.int64)
        # Sessions that held each item, ever.
        self._counts = np.zeros(self.items, dtype=np.int64)
        # A session's items are a chain of elements from its head.
        self._heads, self._lengths = _column(NONE), _column(0)
        self._following, self._elements = _column(NONE), _column(0)
        self._similarities = np.zeros(1024)
        self._sessions = self._held = 0
        # Of each user: the day and the number of the latest session.
        self._latest: dict[int, tuple[int, int]] = {}

    def _scores(self, request: Request) -> Scores:
        scores = np.zeros(self.items)
        rows = self._histories.of(request.user).last(self.asked).rows[::-1]
        day, own = self._latest.get(request.user, (NONE, NONE))
        sessions, strengths = self._nearest(rows, own if day == request.time // DAY_MS else NONE)
        _vote(sessions, strengths, self._heads, self._following, self._elements, scores)
        rarities = np.log((self._sessions + 1.0) / (self._counts + 1.0))
        return np.asarray(scores * np.maximum(rarities, 1e-6) ** self.rarity)

    def _nearest(self, rows: Rows, own: int) -> tuple[Rows, Scores]:
        """Sessions that share most with `rows`, newest first; of equals the newest. own: the one to leave out."""
        rows = np.ascontiguousarray(rows)
        touched = np.zeros(len(rows) * SAMPLE, dtype=np.int64)
        weights = self.fade ** np.arange(len(rows), dtype=np.float64)
        count = _overlaps(rows, weights, self._rings, self._counts, own, self._similarities, touched)
        sessions = np.sort(touched[:count])[::-1]
        strengths = self._similarities[sessions] / self._lengths[sessions] ** self.length
        self._similarities[sessions] = 0.0
        best = np.argsort(-strengths, kind="stable")[: self.neighbours]
        return np.ascontiguousarray(sessions[best]), np.ascontiguousarray(strengths[best])

    def _learn(self, user: int, time: int, rows: Rows) -> None:
        day, session = self._latest.get(user, (NONE, NONE))
        known: set[int] = set()
        if day != time // DAY_MS:
            session = self._open()
            self._latest[user] = time // DAY_MS, session
        else:
            known = self._of(session)
        for row in rows.tolist():
            if row not in known:
                self._put(session, row)
        self._histories.add(user, rows, time)

    def _open(self) -> int:
        if self._sessions == len(self._heads):
            self._heads = _longer(self._heads, NONE)
            self._lengths = _longer(self._lengths, 0)
            self._similarities = np.zeros(len(self._heads))
        self._sessions += 1
        return self._sessions - 1

    def _of(self, session: int) -> set[int]:
        found, at = set(), int(self._heads[session])
        while at >= 0:
            found.add(int(self._elements[at]))
            at = int(self._following[at])
        return found

    def _put(self, session: int, row: int) -> None:
        if self._held == len(self._elements):
            self._elements, self._following = _longer(self._elements, 0), _longer(self._following, NONE)
        self._elements[self._held], self._following[self._held] = row, self._heads[session]
        self._heads[session] = self._held
        self._lengths[session] += 1
        self._held += 1
        self._rings[row, self._counts[row] % SAMPLE] = session
        self._counts[row] += 1


def _column(value: int) -> npt.NDArray[np.int64]:
    return np.full(1024, value, dtype=np.int64)


def _longer(values: npt.NDArray[np.int64], value: int) -> npt.NDArray[np.int64]:
    return np.concatenate([values, np.full(len(values), value, dtype=np.int64)])
