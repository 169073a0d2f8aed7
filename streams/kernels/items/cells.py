"""Rows in cells, each a chain of blocks of WIDTH places; `requests.scan` looks into them.

All places of a chain are taken but those of its first block, which fills from the front: a new row comes behind the
last one, and the last one takes the place of a row that goes. So nothing is left behind by what went.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernels.compiling import kernel

# Rows of a block.
WIDTH = 64


@kernel("i4:C1 i4:C1 i1:C2 f4:C2 i1:C3! f4:C3! i4:C2! i4:C1! i4:C1! i4:C1! i4:C1! i8:C1!")
def insert(
    rows: Any,
    cells: Any,
    vectors: Any,
    numbers: Any,
    blocks: Any,
    block_numbers: Any,
    block_rows: Any,
    after: Any,
    first: Any,
    counts: Any,
    places: Any,
    used: Any,
) -> None:
    """Put rows (m,), none of which is there, into their cells (m,), with what is known of them.

    vectors: (m, dim) and numbers: (m, 2), as in blocks: (B, WIDTH, dim), block_numbers: (B, WIDTH, 2). block_rows:
    (B, WIDTH). after: (B,) the next block of a chain, -1 for none. first, counts: of each cell, its first block and
    its rows. places: of each row, its block times WIDTH plus its place there; -1 for none. used: (2,) blocks that were
    ever used, and one more than the first of those that are free again.
    """
    for i in range(len(rows)):
        cell = cells[i]
        at = counts[cell] % WIDTH
        if at == 0:
            block = np.int32(used[1] - 1)
            if block >= 0:
                used[1] = after[block] + 1
            else:
                block = np.int32(used[0])
                used[0] += 1
            after[block] = first[cell]
            first[cell] = block
        block = first[cell]
        blocks[block, at] = vectors[i]
        block_numbers[block, at] = numbers[i]
        block_rows[block, at] = rows[i]
        places[rows[i]] = block * WIDTH + at
        counts[cell] += 1


@kernel("i4:C1 i4:C1 i1:C3! f4:C3! i4:C2! i4:C1! i4:C1! i4:C1! i4:C1! i8:C1!")
def remove(
    rows: Any,
    cells: Any,
    blocks: Any,
    block_numbers: Any,
    block_rows: Any,
    after: Any,
    first: Any,
    counts: Any,
    places: Any,
    used: Any,
) -> None:
    """Take rows (m,) out of the cells (m,) in which they are; see `insert`."""
    for i in range(len(rows)):
        cell, place = cells[i], places[rows[i]]
        head = first[cell]
        counts[cell] -= 1
        last = counts[cell] % WIDTH
        block, at = place // WIDTH, place % WIDTH
        moved = block_rows[head, last]
        blocks[block, at] = blocks[head, last]
        block_numbers[block, at] = block_numbers[head, last]
        block_rows[block, at] = moved
        places[moved] = place
        places[rows[i]] = -1
        if last == 0:
            first[cell] = after[head]
            after[head] = np.int32(used[1] - 1)
            used[1] = head + 1
