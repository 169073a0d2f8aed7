"""Items that a user disliked are not recommended to that user again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.recommend.base import Queries


def without_disliked(queries: Queries) -> Queries:
    """The same, without the items of which the newest remembered event has a weight below 0, for as long as it is
    remembered. Where the weights are not known, nothing changes."""
    weights = queries.history_weights
    if weights is None or not (weights < 0).any():
        return queries
    exclude = list(queries.exclude)
    for user in np.flatnonzero((weights < 0).any(axis=1)).tolist():
        order = np.arange(weights.shape[1])
        if queries.history_ordinals is not None:
            order = np.argsort(queries.history_ordinals[user], kind="stable")
        rows, own = queries.history_rows[user, order], weights[user, order]
        newest = dict(zip(rows.tolist(), own.tolist(), strict=True))
        exclude[user] = {*exclude[user], *(row for row, weight in newest.items() if row >= 0 and weight < 0)}
    return replace(queries, exclude=exclude)
