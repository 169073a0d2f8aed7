"""From the vectors of a text's tokens to one vector of the text.

Texts of equal length are pooled together, so there is no padding to look away from.
Sources: mean, max and cls: Reimers and Gurevych, Sentence-BERT, EMNLP 2019. weighted: Muennighoff, SGPT, 2022,
arXiv:2202.08904, equation 2: weight i / (1 + ... + L) for the i-th of L tokens, since a decoder's later tokens have
attended to more of the text.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Pool = Callable[[Tensor, int], Tensor]


def _weighted(hidden: Tensor, skip: int) -> Tensor:
    positions = torch.arange(skip + 1, hidden.shape[1] + 1, device=hidden.device, dtype=hidden.dtype)
    return torch.einsum("nld,l->nd", hidden[:, skip:], positions / positions.sum())


# Hidden states (N, L, D) of N texts of L tokens, and the leading tokens not to pool -> (N, D).
POOLINGS: dict[str, Pool] = {
    "mean": lambda hidden, skip: hidden[:, skip:].mean(dim=1),
    "max": lambda hidden, skip: hidden[:, skip:].amax(dim=1),
    "cls": lambda hidden, skip: hidden[:, skip],
    "last": lambda hidden, skip: hidden[:, -1],
    "weighted": _weighted,
}


def pool(name: str, hidden: Tensor, skip: int = 0) -> Tensor:
    """One vector per text: float32 (N, D), not yet of unit length.

    hidden: (N, L, D). skip: leading tokens that are not pooled (a prompt's); the last token always is.
    """
    return POOLINGS[name](hidden.float(), min(skip, hidden.shape[1] - 1))
