"""A user's recent items as one vector: single-head attention whose query is the last item.

y = unit(sum_i a_i (I + V) x_i), a = softmax_i(x_n^T A x_i / sqrt(D) + p_(n - i)) for item vectors x_1 .. x_n,
oldest first; A and V are (D, D), p is a bias by how long ago. With all of them zero it is the mean of the items,
which is where training begins. The last position of SASRec (Kang and McAuley, ICDM 2018) with one layer and one
head, kept within the items' own space, so that a vector of it may be compared with any item. Trained to tell the
next item from drawn others (InfoNCE: van den Oord et al., Contrastive Predictive Coding, 2018). It works on
vectors and knows nothing of users.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from encoders.core.base import EncoderError, Vectors

Indices = npt.NDArray[np.int64]
# What fills the places before a short history's first item.
NONE = -1


@dataclass(frozen=True, slots=True)
class Training:
    """How to train. decay: of the weights, towards the mean of the items. temperature: of the cosines, at first."""

    epochs: int = 5
    batch: int = 256
    negatives: int = 512
    rate: float = 1e-3
    decay: float = 1e-2
    temperature: float = 0.1
    seed: int = 0


class AttentionPooling:
    """From the vectors of a history to one vector."""

    def __init__(self, affinity: Vectors, value: Vectors, recency: Vectors) -> None:
        """affinity A (D, D), value V (D, D), recency p (n,): p[0] is of the last item. All float32."""
        if affinity.ndim != 2 or affinity.shape != (len(affinity),) * 2 or value.shape != affinity.shape:
            raise EncoderError(
                f"attention needs two (D, D) matrices, not {affinity.shape} and {value.shape}: train it again"
            )
        self.affinity, self.value, self.recency = affinity, value, recency
        self.dim, self.length = len(affinity), len(recency)

    @classmethod
    def fit(
        cls, vectors: Vectors, histories: Indices, targets: Indices, training: Training | None = None
    ) -> AttentionPooling:
        """Learn from next items. vectors (N, D): unit rows of all items. histories (B, n): rows of the last n items
        before each target, oldest first, `NONE` in the places before the first. targets (B,): the row of what came
        next. The same input gives the same weights, to rounding. Raises EncoderError."""
        _check(vectors, histories, targets)
        how = training or Training()
        items, past = torch.from_numpy(vectors), torch.from_numpy(histories)
        model = _Model(vectors.shape[1], histories.shape[1], how.temperature)
        adam = torch.optim.AdamW(model.parameters(), lr=how.rate, weight_decay=how.decay)
        generator = torch.Generator().manual_seed(how.seed)
        wanted = torch.from_numpy(targets)
        for _ in range(how.epochs):
            for rows in torch.split(torch.randperm(len(targets), generator=generator), how.batch):
                drawn = torch.randint(len(items), (how.negatives,), generator=generator)
                loss = model.loss(items, past[rows], wanted[rows], drawn)
                adam.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
                adam.step()
        weights = (model.affinity, model.value, model.recency)
        return cls(*(weight.detach().numpy().copy() for weight in weights))

    def pool(self, vectors: Vectors, histories: Indices) -> Vectors:
        """(B, D) unit rows, float32; zeros where a history is empty. Arguments as in `fit`. Raises EncoderError."""
        _check(vectors, histories)
        if vectors.shape[1] != self.dim or histories.shape[1] > self.length:
            raise EncoderError(
                f"the pooling takes up to {self.length} vectors of {self.dim} dimensions, not {histories.shape[1]} of "
                f"{vectors.shape[1]}: train it again with these items"
            )
        present = histories != NONE
        items = vectors[np.where(present, histories, 0)]
        heads = items[:, -1] @ self.affinity
        scores = np.einsum("bd,bnd->bn", heads, items) / np.sqrt(np.float32(self.dim))
        scores = np.where(present, scores + self.recency[: histories.shape[1]][::-1], -np.inf)
        scores -= np.where(present.any(axis=1), scores.max(axis=1), 0.0)[:, None]
        shares = np.exp(scores)
        pooled = np.einsum("bn,bnd->bd", shares, items)
        pooled = pooled + pooled @ self.value.T
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        units: Vectors = np.divide(pooled, norms, out=np.zeros_like(pooled), where=norms > 0)
        return units.astype(np.float32)

    def save(self, path: Path) -> None:
        """As safetensors."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save({"affinity": self.affinity, "value": self.value, "recency": self.recency}))

    @classmethod
    def load(cls, path: Path) -> AttentionPooling:
        """Raises EncoderError where the file is missing, damaged or another one."""
        try:
            weights = load_file(path)
            return cls(weights["affinity"], weights["value"], weights["recency"])
        except (SafetensorError, OSError, KeyError) as error:
            raise EncoderError(
                f"{path} holds no attention pooling ({error!r}): train and save one"
            ) from error


class _Model(torch.nn.Module):
    """The same in torch, to train."""

    def __init__(self, dim: int, length: int, temperature: float) -> None:
        super().__init__()
        self.affinity = torch.nn.Parameter(torch.zeros(dim, dim))
        self.value = torch.nn.Parameter(torch.zeros(dim, dim))
        self.recency = torch.nn.Parameter(torch.zeros(length))
        self.sharpness = torch.nn.Parameter(torch.tensor(1.0 / temperature).log())

    def loss(
        self, items: torch.Tensor, past: torch.Tensor, wanted: torch.Tensor, drawn: torch.Tensor
    ) -> torch.Tensor:
        """Cross-entropy of each next item among itself and the drawn ones; a drawn item that is it counts once."""
        pooled, sharpness = self.forward(items, past), self.sharpness.exp()
        right = (pooled * items[wanted]).sum(dim=1, keepdim=True) * sharpness
        wrong = (pooled @ items[drawn].T) * sharpness
        wrong = wrong.masked_fill(drawn[None] == wanted[:, None], -torch.inf)
        lost: torch.Tensor = torch.logsumexp(torch.cat([right, wrong], dim=1), dim=1) - right[:, 0]
        return lost.mean()

    def forward(self, items: torch.Tensor, past: torch.Tensor) -> torch.Tensor:
        present = past != NONE
        x = items[past.clamp(min=0)]
        scores = torch.einsum("bd,bnd->bn", x[:, -1] @ self.affinity, x) / x.shape[-1] ** 0.5
        scores = (scores + self.recency.flip(0)).masked_fill(~present, -torch.inf)
        pooled = torch.einsum("bn,bnd->bd", scores.softmax(dim=1), x)
        units: torch.Tensor = torch.nn.functional.normalize(pooled + pooled @ self.value.T, dim=1)
        return units


def _check(vectors: Vectors, histories: Indices, targets: Indices | None = None) -> None:
    """Raises EncoderError."""
    if vectors.ndim != 2 or histories.ndim != 2:
        raise EncoderError(f"vectors (N, D) and histories (B, n), not {vectors.shape} and {histories.shape}")
    if ((histories < NONE) | (histories >= len(vectors))).any():
        raise EncoderError(
            f"a history names an item that is none of the {len(vectors)}: give rows of the vectors"
        )
    present = histories != NONE
    if (present[:, :-1] & ~present[:, 1:]).any():
        raise EncoderError("a history has a gap: align it right, with -1 only before its first item")
    if targets is None:
        return
    if len(targets) != len(histories) or not len(targets) or not present[:, -1].all():
        raise EncoderError(
            f"{len(histories)} histories and {len(targets)} targets: give one target and at least one item for each"
        )
    if targets.min() < 0 or targets.max() >= len(vectors):
        raise EncoderError(f"a target is none of the {len(vectors)} items: give rows of the vectors")
