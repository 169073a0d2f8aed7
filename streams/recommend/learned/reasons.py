"""Why an item stands where it stands: the terms of its score by group of features, and by remembered event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.recommend.base import Floats, Queries, Reasons, Rows
from streams.recommend.catalog import Catalog
from streams.recommend.content_ranker import CONTENT
from streams.recommend.explain import shares, strongest
from streams.recommend.learned.base import LearnedRanker
from streams.recommend.learned.pools import Pool


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one user's list. by_name: (T, k) terms. content: (k,) what each part of an item's content product is worth.

    An item's content product is a sum over the remembered events, and its z-score is linear in it: so is its term.
    """

    by_name: Floats
    content: Floats


def names(ranker: LearnedRanker) -> tuple[str, ...]:
    """(T,) of the terms of a ranker's logits."""
    return (*ranker.columns.groups, *((ranker.remainder,) if ranker.remainder else ()))


def terms(ranker: LearnedRanker, pool: Pool, columns: Floats, logits: Floats, chosen: Rows, k: int) -> Terms:
    """Of those at `chosen` (n,) among the pool, n at most k; zeros behind them. columns: (K, c). logits: (c,)."""
    few = np.ascontiguousarray(columns[:, chosen])
    slopes = ranker.slopes(few, pool.segment)
    by_name = ranker.columns.by_group(few * slopes)
    if ranker.remainder:
        by_name = np.concatenate((by_name, (logits[chosen] - by_name.sum(axis=0))[None]), axis=0)
    content = np.zeros(k, dtype=np.float32)
    if CONTENT in (known := [feature.name for feature in ranker.columns.features]):
        at = ranker.columns.column_of(CONTENT)
        content[: len(chosen)] = slopes[at] * _steepness(pool.scores[known.index(CONTENT)], columns[at])
    return Terms(np.pad(by_name, ((0, 0), (0, k - len(chosen)))), content)


def _steepness(scores: Floats, standard: Floats) -> np.float32:
    """By how much the z-score (c,) rises with the score (c,), of which some may be NaN."""
    low, high = int(standard.argmin()), int(standard.argmax())
    rise = np.float64(standard[high]) - np.float64(standard[low])
    spread = np.float64(np.nan_to_num(scores[high])) - np.float64(np.nan_to_num(scores[low]))
    return np.float32(rise / spread) if spread > 0 else np.float32(0)


def reasons(
    catalog: Catalog,
    queries: Queries,
    rows: Rows,
    scores: Floats,
    found: list[Terms],
    called: tuple[str, ...],
    top: int,
) -> Reasons:
    """The `top` strongest terms of each item. rows, scores: (U, k). called: (T,) names of the terms."""
    by_name = np.stack([one.by_name.T for one in found])
    events = np.zeros((*rows.shape, queries.history_rows.shape[1]), dtype=np.float32)
    if len(catalog.item_ids) and events.size:
        events = shares(catalog.vectors, rows, queries, slice(None))
        events *= np.stack([one.content for one in found])[:, :, None]
    if CONTENT in called:
        by_name[:, :, called.index(CONTENT)] -= events.sum(axis=2)
    index, parts = strongest(np.concatenate((events, by_name), axis=2), top)
    missing = ((0, 0), (0, 0), (0, top - index.shape[2]))
    index, parts = np.pad(index, missing, constant_values=-1), np.pad(parts, missing)
    return Reasons(index, parts, scores - parts.sum(axis=-1), called)
