"""Cutting a micro-batch by tokens: texts of like length together, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

# What a forward pass costs beside its tokens, as a share of a full one: 27 of 1024 tokens were measured for
# MiniLM on one core.
PASS_SHARE = 32


def cut(
    lengths: Sequence[int], token_budget: int, *, padded: bool = True, pass_cost: int | None = None
) -> list[list[int]]:
    """Indices grouped into batches, longest texts first; each text is in one.

    lengths: tokens of each text, at least 1. token_budget: of a batch, but for a text that alone exceeds it.
    padded: a batch's size is its texts times its longest; else its tokens are packed end to end, and are its size.
    pass_cost: tokens that one more batch must save in padding to be worth its forward pass, the 32nd part of the
    budget by default; at 0, texts of equal length only are together.

    Padded batches are the cheapest that there are: dynamic programming over the texts in order of length finds
    the least of padded tokens plus passes.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    sizes = [lengths[index] for index in order]
    cost = token_budget // PASS_SHARE if pass_cost is None else pass_cost
    edges = (
        _cheapest(np.array(sizes, dtype=np.int64), token_budget, cost)
        if padded
        else _full(sizes, token_budget)
    )
    return [order[begin:end] for begin, end in pairwise(edges)]


def _cheapest(sizes: np.ndarray[tuple[int], np.dtype[np.int64]], budget: int, cost: int) -> list[int]:
    """Where the batches begin, and the end. sizes: (n,) longest first, so the first of a batch decides its width."""
    count = len(sizes)
    best = np.zeros(count + 1, dtype=np.int64)
    begin = np.zeros(count + 1, dtype=np.int64)
    lowest = 0
    for end in range(1, count + 1):
        # The wider and fuller a batch, the larger: what is too large for this end is so for all that follow.
        while lowest < end - 1 and sizes[lowest] * (end - lowest) > budget:
            lowest += 1
        costs = best[lowest:end] + sizes[lowest:end] * np.arange(end - lowest, 0, -1)
        begin[end] = lowest + int(costs.argmin())
        best[end] = costs[begin[end] - lowest] + cost
    edges = [count]
    while edges[-1]:
        edges.append(int(begin[edges[-1]]))
    return edges[::-1]


def _full(sizes: list[int], budget: int) -> list[int]:
    edges, held = [0], 0
    for at, size in enumerate(sizes):
        if held and held + size > budget:
            edges.append(at)
            held = 0
        held += size
    return [*edges, len(sizes)] if sizes else edges
