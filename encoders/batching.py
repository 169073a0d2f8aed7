"""Cutting a micro-batch by tokens: texts of like length together, so that little is padding."""

from __future__ import annotations

from collections.abc import Sequence


def cut(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Indices grouped into batches, longest texts first.

    lengths: tokens of each text. A batch's padded size (its texts times its longest) stays within the
    budget, but for a text that alone exceeds it.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        # Sorted, so the first of a batch is its longest.
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= token_budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
