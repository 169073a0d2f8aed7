"""From the vectors of a text's tokens to one vector of the text.

Texts of equal length are pooled together, so there is no padding to look away from.
Sources: mean, max and cls: Reimers and Gurevych, Sentence-BERT, EMNLP 2019. weighted: Muennighoff, SGPT, 2022,
arXiv:2202.08904, equation 2: weight i / (1 + ... + L) for the i-th of L tokens, since a decoder's later tokens have
attended to more of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

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


@dataclass(frozen=True, slots=True)
class Pooler:
    """How hidden states become a text's vector.

    name: one of POOLINGS. skip: leading tokens that are not pooled (a prompt's); the last token always is.
    dim: leading dimensions that are kept.
    """

    name: str
    dim: int
    skip: int = 0

    def __call__(self, runs: Iterable[Tensor]) -> Tensor:
        """Float32 unit rows, one per text; runs: hidden states (N, L, D)."""
        pool = POOLINGS[self.name]
        pooled = torch.cat([pool(run.float(), min(self.skip, run.shape[1] - 1)) for run in runs])
        return normalize(pooled[:, : self.dim], dim=1)
