"""Learning a gated fusion from items that people consume one after the other (InfoNCE, see `contrastive`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from encoders.core.base import Vectors
from encoders.fitted.fusion import Fusion, FusionError, GatedFusion, Parts, centred
from encoders.training.contrastive import Pair, conflicts, info_nce

# Two rows of the parts, and a number that is the same for pairs which are not each other's negatives.
RowPair = tuple[int, int, int]
CHUNK = 256


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. hide: share of contents of which training shows one medium only, drawn at random, so that
    a text alone stays near the items that it is of. patience: epochs without a lower loss on held-out pairs."""

    seed: int = 0
    epochs: int = 40
    patience: int = 4
    batch: int = 256
    rate: float = 2e-3
    temperature: float = 0.1
    hide: float = 0.25


@dataclass(frozen=True, slots=True)
class Quality:
    """On pairs that were not trained on. loss: InfoNCE, nats; recall: share of pairs whose later item is among
    the ten items nearest to the earlier one."""

    loss: float
    recall: float


class _Module(torch.nn.Module):
    def __init__(self, start: GatedFusion) -> None:
        super().__init__()
        self.maps = torch.nn.ParameterList([_tensor(matrix) for matrix in start.maps.values()])
        self.gate, self.bias = (
            torch.nn.Parameter(_tensor(start.gate)),
            torch.nn.Parameter(_tensor(start.bias)),
        )

    def forward(self, blocks: Sequence[torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """blocks: by medium (B, D_m), centred; present (B, M). Returns (B, dim), unit rows."""
        logits = torch.cat([*blocks, present.float()], dim=1) @ self.gate + self.bias
        shares = logits.masked_fill(~present, -torch.inf).softmax(dim=1)
        # Where the share is 0 the root's slope is none: what is not there is left out before it.
        roots = torch.where(present, shares, torch.ones_like(shares)).sqrt() * present
        mapped = [x @ matrix for x, matrix in zip(blocks, self.maps, strict=True)]
        fused = sum((roots[:, [m]] * one for m, one in enumerate(mapped)), torch.zeros_like(mapped[0]))
        return torch.nn.functional.normalize(fused, dim=1)


def train(
    start: GatedFusion,
    parts: Parts,
    pairs: Sequence[RowPair],
    held_out: Sequence[RowPair],
    recipe: Recipe | None = None,
    progress: Callable[[int], object] = lambda epoch: None,
) -> GatedFusion:
    """The fusion of the epoch with the lowest loss on the held-out pairs, the start among them.

    The same seed, input and number of torch's threads give the same bits. Raises FusionError.
    """
    recipe = recipe or Recipe()
    if len(pairs) < 2 or len(held_out) < 2:
        raise FusionError("a fusion is trained on pairs of items, and stopped by others: there are too few")
    arrays, mask = centred(parts, start.means)
    blocks, present = [_tensor(block) for block in arrays], torch.from_numpy(mask)
    module = _Module(start)
    optimiser = torch.optim.Adam(module.parameters(), recipe.rate)
    rng = np.random.default_rng(recipe.seed)
    best, lowest, waited = start, _loss(start, parts, held_out, recipe), 0
    for epoch in range(recipe.epochs):
        for batch in _batches(rng.permutation(len(pairs)), recipe.batch):
            _step(module, optimiser, blocks, present, [pairs[index] for index in batch], recipe, rng)
        progress(epoch + 1)
        now = _fusion(module, start, {**start.metadata, "epoch": epoch + 1})
        loss = _loss(now, parts, held_out, recipe)
        if not np.isfinite(loss):
            raise FusionError("the training went astray: lower the rate")
        best, lowest, waited = (now, loss, 0) if loss < lowest else (best, lowest, waited + 1)
        if waited == recipe.patience:
            break
    return best


def quality(fusion: Fusion, parts: Parts, pairs: Sequence[RowPair], recipe: Recipe | None = None) -> Quality:
    """How well it holds pairs together that it was not trained on; candidates are all rows of the parts."""
    space = fusion.fuse(parts)
    return Quality(_loss_of(space, pairs, recipe or Recipe()), recall(space, pairs))


def recall(space: Vectors, pairs: Sequence[RowPair], k: int = 10) -> float:
    """Share of pairs whose later row is among the k nearest to the earlier one, itself left out."""
    found = 0
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        scores = space[[left for left, _, _ in chunk]] @ space.T
        for row, (left, right, _) in enumerate(chunk):
            scores[row, left] = -np.inf
            found += int((scores[row] > scores[row, right]).sum()) < k
    return found / len(pairs)


def _step(
    module: _Module,
    optimiser: torch.optim.Optimizer,
    blocks: Sequence[torch.Tensor],
    present: torch.Tensor,
    pairs: Sequence[RowPair],
    recipe: Recipe,
    rng: np.random.Generator,
) -> None:
    def side(rows: list[int]) -> Any:
        shown = torch.from_numpy(_hide(present[rows].numpy(), recipe.hide, rng))
        return module([block[rows] * shown[:, [m]] for m, block in enumerate(blocks)], shown)

    left, right = side([one for one, _, _ in pairs]), side([other for _, other, _ in pairs])
    loss = info_nce(left, right, _conflicts(pairs), recipe.temperature)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch's has no annotations
    optimiser.step()


def _hide(present: npt.NDArray[np.bool_], share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Of this share of the rows only one medium is left, drawn among those that are there."""
    drawn = np.where(present, rng.random(present.shape), -1.0)
    only = drawn == drawn.max(axis=1, keepdims=True)
    hidden = rng.random(len(present)) < share
    return np.where(hidden[:, None], only & present, present)


def _loss(fusion: Fusion, parts: Parts, pairs: Sequence[RowPair], recipe: Recipe) -> float:
    rows = sorted({row for left, right, _ in pairs for row in (left, right)})
    place = {row: index for index, row in enumerate(rows)}
    space = fusion.fuse({medium: vectors[rows] for medium, vectors in parts.items()})
    return _loss_of(space, [(place[left], place[right], session) for left, right, session in pairs], recipe)


def _loss_of(space: Vectors, pairs: Sequence[RowPair], recipe: Recipe) -> float:
    total = 0.0
    for batch in _batches(np.arange(len(pairs)), recipe.batch):
        chunk = [pairs[index] for index in batch]
        left = torch.from_numpy(space[[one for one, _, _ in chunk]])
        right = torch.from_numpy(space[[other for _, other, _ in chunk]])
        total += float(info_nce(left, right, _conflicts(chunk), recipe.temperature)) * len(chunk)
    return total / len(pairs)


def _batches(order: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    """Runs of about this size; a rest of one would have no negative, so it is spread over the others."""
    yield from np.array_split(order, max(1, len(order) // size))


def _conflicts(pairs: Sequence[RowPair]) -> npt.NDArray[np.bool_]:
    return conflicts([Pair(str(left), str(right), session) for left, right, session in pairs])


def _fusion(module: _Module, start: GatedFusion, metadata: dict[str, Any]) -> GatedFusion:
    maps = {medium: _array(matrix) for medium, matrix in zip(start.maps, module.maps, strict=True)}
    return GatedFusion(start.means, maps, _array(module.gate), _array(module.bias), metadata)


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().numpy().astype(np.float64)
