"""Why an item was recommended: the events whose part in its score is largest.

An interest vector is linear in the events that made it, q = sum_e c_e v_e + (what is no longer remembered), so the
score of item i is exactly q·v_i = sum_e c_e (v_e·v_i) + rest: each event has its own share, and no surrogate
model is needed. Where a user has several vectors, the one whose product is the item's score explains it.
"""

from __future__ import annotations

import numpy as np

from streams.recommend.base import Floats, Queries, Reasons, Rows
from streams.recommend.catalog import Catalog

# Users at a time: their items' and events' vectors stay in cache (36 vectors per user at k 20 and H 16).
USERS = 64


def explain(catalog: Catalog, queries: Queries, rows: Rows, scores: Floats, top: int = 3) -> Reasons:
    """The `top` events per ranked item with the largest absolute contribution c_e (v_e·v_i), sign kept.

    rows, scores: (U, k) the ranking of these queries on this catalog, by content. Equal contributions name the
    earlier position in the history. Events without a row, or that contribute exactly nothing, are no reason.
    Raises ValueError on top < 0 or batches of different sizes.
    """
    if top < 0 or len(rows) != len(queries):
        raise ValueError(
            f"explain needs top of at least 0, not {top}, and the ranking of these {len(queries)} queries, "
            f"not of {len(rows)} others"
        )
    shape = (*rows.shape, top)
    index = np.full(shape, -1, dtype=np.int32)
    contributions = np.zeros(shape, dtype=np.float32)
    if len(catalog.item_ids) and rows.size and queries.history_rows.size:
        for first in range(0, len(queries), USERS):
            chunk = slice(first, first + USERS)
            found, parts = strongest(shares(catalog.vectors, rows[chunk], queries, chunk), top)
            index[chunk, :, : found.shape[2]] = found
            contributions[chunk, :, : found.shape[2]] = parts
    return Reasons(index, contributions, scores - contributions.sum(axis=-1))


def shares(items: Floats, rows: Rows, queries: Queries, chunk: slice) -> Floats:
    """(u, k, H) contribution of every remembered event to every ranked item's score."""
    history = queries.history_rows[chunk]
    wanted = np.take(items, np.maximum(rows, 0), axis=0)
    coefficients = _coefficients(wanted, queries, chunk)
    events = np.take(items, np.maximum(history, 0), axis=0)
    shares: Floats = np.matmul(wanted, events.transpose(0, 2, 1))
    shares *= np.where(history[:, None, :] >= 0, coefficients, np.float32(0))
    shares[rows < 0] = 0
    return shares


def _coefficients(wanted: Floats, queries: Queries, chunk: slice) -> Floats:
    """(u, k or 1, H) the coefficients of the vector that explains each item. wanted: (u, k, dim) the items."""
    coefficients = queries.history_coefficients[chunk] * queries.shares[chunk][:, :, None]
    if coefficients.shape[1] == 1:
        return coefficients
    products = np.matmul(wanted, queries.weighted()[chunk].transpose(0, 2, 1))
    best = np.where(queries.active()[chunk][:, None, :], products, -np.inf).argmax(axis=2)
    return np.take_along_axis(coefficients, best[:, :, None], axis=1)


def strongest(shares: Floats, top: int) -> tuple[Rows, Floats]:
    """Index and value, (u, k, min(top, H)) each, of the largest absolute shares."""
    order = np.argsort(-np.abs(shares), axis=-1, kind="stable")[:, :, :top]
    parts = np.take_along_axis(shares, order, axis=-1)
    return np.where(parts != 0, order, -1).astype(np.int32), parts
