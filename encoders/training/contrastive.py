"""Learning from pairs with in-batch negatives, and how well a space holds pairs together.

Sources: van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018 (InfoNCE);
Henderson et al., Efficient Natural Language Response Suggestion, 2017 (negatives from the batch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from encoders.core.base import Encoder

CHUNK = 256


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that should be near. session: pairs of one session are never each other's negatives."""

    left: str
    right: str
    session: int


def conflicts(pairs: Sequence[Pair]) -> npt.NDArray[np.bool_]:
    """(B, B), symmetric, true where two different pairs share a text or a session: a false negative."""
    texts: dict[str, int] = {}
    left = np.array([texts.setdefault(pair.left, len(texts)) for pair in pairs])
    right = np.array([texts.setdefault(pair.right, len(texts)) for pair in pairs])
    session = np.array([pair.session for pair in pairs])
    found: npt.NDArray[np.bool_] = session[:, None] == session
    for one in (left, right):
        for other in (left, right):
            found |= one[:, None] == other
    np.fill_diagonal(found, False)
    return found


def info_nce(
    left: torch.Tensor, right: torch.Tensor, masked: npt.NDArray[np.bool_], temperature: float
) -> torch.Tensor:
    """Mean cross entropy of finding the partner among the batch, in both directions; a scalar.

    left, right: (B, dim) unit rows. masked: (B, B), negatives to leave out (see `conflicts`).
    """
    scores = left @ right.T / temperature
    scores = scores.masked_fill(torch.from_numpy(masked).to(scores.device), -torch.inf)
    partner = torch.arange(len(left), device=scores.device)
    entropy = torch.nn.functional.cross_entropy
    return (entropy(scores, partner) + entropy(scores.T, partner)) / 2


def chance(masked: npt.NDArray[np.bool_]) -> float:
    """The loss of a space in which all texts are alike: mean log of the candidates, log(B) where none is masked."""
    return float(np.log((~masked).sum(axis=1)).mean())


def recall(encoder: Encoder, pairs: Sequence[Pair], candidates: Sequence[str], k: int = 10) -> float:
    """Share of pairs whose right text is among the k candidates nearest to the left one, itself left out.

    candidates: distinct texts; must hold the pairs' right ones.
    """
    place = {text: index for index, text in enumerate(candidates)}
    space = _encode(encoder, candidates)
    found = 0
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        scores = encoder.encode([pair.left for pair in chunk]) @ space.T
        for row, pair in enumerate(chunk):
            if pair.left in place:
                scores[row, place[pair.left]] = -np.inf
            right = place[pair.right]
            found += int((scores[row] > scores[row, right]).sum()) < k
    return found / len(pairs)


def _encode(encoder: Encoder, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    chunks = [encoder.encode(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)]
    return np.concatenate(chunks)
