"""Ranks candidates by how much they are like the interest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.recommend.base import Candidates, Floats, Queries, Ranked, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.exact import dots
from streams.recommend.explain import explain

# The name of the score that this ranker takes as it is.
CONTENT = "content"


@dataclass(frozen=True, slots=True)
class ContentRanker:
    """An item's score is its dot product with the user's vector; see ContentSource.

    What a source has scored under the name of CONTENT is not computed again. Equal scores rank the smaller row first.
    """

    def rank(
        self, catalog: Catalog, queries: Queries, candidates: Candidates, k: int, reasons: int
    ) -> Ranked:
        """See `Ranker.rank`. The terms are the remembered events' contributions."""
        rows, scores = best_first(candidates.rows, content_scores(catalog, queries, candidates), k)
        return Ranked(rows, scores, explain(catalog, queries, rows, scores, reasons))


def best_first(rows: Rows, scores: Floats, k: int) -> tuple[Rows, Floats]:
    """(U, k) the best of the candidates (U, c); -1 and 0 after a user's last one. Rows of -1 are no candidates."""
    if not _in_order(rows, scores):
        order = np.lexsort((rows, -scores, rows < 0), axis=-1)
        rows, scores = np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
    rows, scores = rows[:, :k], np.where(rows[:, :k] < 0, np.float32(0), scores[:, :k])
    missing = ((0, 0), (0, k - rows.shape[1]))
    if missing[1][1]:
        rows, scores = np.pad(rows, missing, constant_values=-1), np.pad(scores, missing)
    return rows, scores


def _in_order(rows: Rows, scores: Floats) -> bool:
    """True where every user's candidates stand best first, and nothing behind them."""
    one, other = slice(None, -1), slice(1, None)
    falling = (scores[:, one] > scores[:, other]) | (
        (scores[:, one] == scores[:, other]) & (rows[:, one] < rows[:, other])
    )
    return bool(((rows[:, other] < 0) | (falling & (rows[:, one] >= 0))).all())


def content_scores(catalog: Catalog, queries: Queries, candidates: Candidates) -> Floats:
    """(U, c) each candidate's dot product, for any ranker; what no source has scored is computed to the same bits."""
    rows = candidates.rows
    known = candidates.scores.get(CONTENT)
    scores = np.full(rows.shape, np.nan, dtype=np.float32) if known is None else known
    users, columns = np.nonzero(np.isnan(scores) & (rows >= 0))
    if len(users):
        scores = scores.copy()
        scores[users, columns] = _largest(catalog, queries, users, rows[users, columns])
    return scores


def _largest(catalog: Catalog, queries: Queries, users: npt.NDArray[np.intp], rows: Rows) -> Floats:
    """(c,) the largest product of each item with one of its user's vectors that count."""
    number, active = queries.vectors.shape[1], queries.active()
    vectors = queries.weighted().reshape(-1, catalog.dim)
    best: Floats = np.full(len(users), -np.inf, dtype=np.float32)
    for index in range(number):
        products = dots(vectors, users * number + index, catalog.vectors, rows)
        best = np.maximum(best, np.where(active[users, index], products, np.float32(-np.inf)))
    return best
