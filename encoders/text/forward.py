"""Token ids through a model: packed without any padding where the model can, else padded with a mask."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.text import attention
from encoders.text.attention import Segments

log = logging.getLogger(__name__)

Ids = Sequence[Sequence[int]]
# Relative difference of hidden states that rounding explains, and a wrong mask does not.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
PACKED_LAYERS = {"full_attention", "sliding_attention"}


class Forward(Protocol):
    """A model's forward pass over texts sorted by length. pads: a batch's size is its texts times its longest."""

    pads: bool

    def hidden(self, ids: Ids) -> Iterator[Tensor]:
        """Hidden states (N, L, D), one tensor for each run of N texts of equal length L, in the texts' order."""
        ...

    def padding(self, ids: Ids) -> int:
        """Tokens computed beyond the texts' own."""
        ...


class Packed:
    """All texts end to end in one row."""

    pads = False

    def __init__(self, model: Any, offset: int) -> None:
        """offset: position of a text's first token."""
        model.set_attn_implementation(attention.NAME)
        self._model, self._offset = model, offset

    def hidden(self, ids: Ids) -> Iterator[Tensor]:
        """See Forward."""
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        bounds = np.concatenate(([0], lengths.cumsum()))
        flat = np.fromiter(chain.from_iterable(ids), np.int64, bounds[-1])
        positions = np.arange(bounds[-1]) - np.repeat(bounds[:-1], lengths) + self._offset
        device = self._model.device
        runs = _runs(ids)
        found = self._model(
            input_ids=_moved(flat, device)[None],
            position_ids=_moved(positions, device)[None],
            segments=Segments(runs, _moved(bounds.astype(np.int32), device)),
        ).last_hidden_state[0]
        start = 0
        for texts, length in runs:
            yield found[start : (start := start + texts * length)].unflatten(0, (texts, length))

    def padding(self, ids: Ids) -> int:
        """See Forward."""
        return 0


class Padded:
    """One row per text, padded on the right, where causal attention never looks from a text's own tokens."""

    pads = True

    def __init__(self, model: Any, pad: int) -> None:
        """pad: id that fills rows up; masked, but some models count positions by it."""
        self._model, self._pad = model, pad

    def hidden(self, ids: Ids) -> Iterator[Tensor]:
        """See Forward."""
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        mask = np.arange(lengths.max()) < lengths[:, None]
        tokens = np.full(mask.shape, self._pad, np.int64)
        tokens[mask] = np.fromiter(chain.from_iterable(ids), np.int64, lengths.sum())
        device = self._model.device
        # All ones would be a mask, too, and cost as much.
        masked = {} if mask.all() else {"attention_mask": _moved(mask.astype(np.int64), device)}
        found = self._model(input_ids=_moved(tokens, device), **masked).last_hidden_state
        row = 0
        for texts, length in _runs(ids):
            yield found[row : (row := row + texts), :length]

    def padding(self, ids: Ids) -> int:
        """See Forward."""
        lengths = [len(tokens) for tokens in ids]
        return max(lengths) * len(lengths) - sum(lengths)


def choose(model: Any, *, pad: int, offset: int, max_length: int) -> Forward:
    """Packed where it gives what the model itself gives for each text alone, which is tried; else padded."""
    padded = Padded(model, pad)
    before = model.config._attn_implementation
    ids = _probe(model, pad, max_length)
    with torch.inference_mode():
        alone = [next(padded.hidden([tokens]))[0].float() for tokens in ids]
        try:
            packed = Packed(model, offset)
            together = [text.float() for run in packed.hidden(ids) for text in run]
            off = max(float((b - a).norm() / a.norm()) for a, b in zip(alone, together, strict=True))
            kinds = set(getattr(model.config, "layer_types", None) or ())
            if off <= TOLERANCE[model.dtype] and kinds <= PACKED_LAYERS:
                return packed
            reason = f"its hidden states differ by {off:.1e}, its layers are {sorted(kinds)}"
        except Exception as error:  # whatever a model says to attention that is not its own
            reason = f"{type(error).__name__}: {str(error)[:200]}"
    model.set_attn_implementation(before)
    log.info("%s is computed with padding, not packed: %s", type(model).__name__, reason)
    return padded


def _probe(model: Any, pad: int, max_length: int) -> list[list[int]]:
    """Texts of unlike and like length, one of them beyond the sliding window where the encoder may meet that."""
    window = int(getattr(model.config, "sliding_window", None) or 0)
    longest = 2 * window + 3 if 0 < window < max_length else 33
    rng = np.random.default_rng(0)
    known = np.setdiff1d(np.arange(model.get_input_embeddings().num_embeddings), [pad])
    return [rng.choice(known, min(size, max_length)).tolist() for size in (longest, 12, 5, 5, 1)]


def _runs(ids: Ids) -> tuple[tuple[int, int], ...]:
    return tuple((len(list(texts)), length) for length, texts in groupby(map(len, ids)))


def _moved(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
