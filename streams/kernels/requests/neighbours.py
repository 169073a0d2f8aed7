"""Items that all users took up after, or before, what one user took up last; see `choosing` for sums and slots."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import helper, kernel


@helper
def _share(uses: Any) -> Any:
    """(uses + 5)^-0.25"""
    return np.float32(1) / np.sqrt(np.sqrt(np.float32(uses) + np.float32(5)))


@kernel("i4:C1 f4:C2 f4:C2 i4:C3 f4:C3 i8:C1 f4 i4:C1! f4:C2! i4:C1!")
def gather(
    items: Any,
    scales: Any,
    steps: Any,
    neighbours: Any,
    weights: Any,
    uses: Any,
    least: Any,
    slots: Any,
    sums: Any,
    touched: Any,
) -> int:
    """Add the weights of the neighbours of h items up; returns how many rows were touched, and writes them.

    scales: (h, 2) what an item's weights in each list are multiplied by. steps: (h, w) what the item counts in each
    sum: in the first ones perhaps nothing, in the last one something. neighbours, weights: (n, 2, m); those below
    `least` are passed over. uses: (n,), from which a row's share comes that its sums are multiplied by. sums: zeros,
    2 * w for each row: of one list, then of the other. sums and touched: with room for one more row than can be met.
    """
    count, width = 0, steps.shape[1]
    for k in range(len(items)):
        first, item = 0, items[k]
        while steps[k, first] == 0:
            first += 1
        for which in range(2):
            scale, begin = scales[k, which], which * width
            for i in range(neighbours.shape[2]):
                row, said = neighbours[item, which, i], weights[item, which, i] * scale
                if row < 0 or said < least:
                    continue
                # No branch: whether a row is new cannot be foretold.
                touched[count] = row
                slot = slots[row]
                new = slot == 0
                count += new
                slot = count if new else slot
                slots[row] = slot
                for at in range(first, width):
                    sums[slot - 1, begin + at] += said * steps[k, at]
    for i in range(count):
        share = _share(uses[touched[i]])
        for at in range(2 * width):
            sums[i, at] *= share
    return count
