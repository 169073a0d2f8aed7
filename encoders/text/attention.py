"""Attention over texts laid end to end in one row, as transformers' models call it.

With no padding between texts the linear layers, nearly all of the work, compute tokens only, and no mask is needed.
On a GPU: torch's variable-length kernel; elsewhere one call per run of texts of equal length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "interestflow_segments"
# What some models' attention also asks for; without it their vectors would be others.
UNKNOWN_HERE = ("softcap", "s_aux", "position_bias")


@dataclass(frozen=True, slots=True)
class Segments:
    """Where texts begin and end in the row.

    runs: (texts, tokens of each), in order. bounds: int32 (texts + 1,), first token of each and the end.
    """

    runs: tuple[tuple[int, int], ...]
    bounds: Tensor

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return max(length for _, length in self.runs)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Segments,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Each token to those of its own text, (1, tokens, heads, head size).

    query, key, value: (1, heads, tokens, head size). sliding_window: a token sees those less than so many away.
    Raises NotImplementedError for a kind of attention that it does not know.
    """
    asked = [name for name in UNKNOWN_HERE if others.get(name) is not None]
    if asked or attention_mask is not None:
        raise NotImplementedError(f"attention with {', '.join(asked) or 'a mask'}")
    causal = bool(module.is_causal if is_causal is None else is_causal)
    inner = _by_kernel if query.is_cuda else _by_run
    return inner(query, key, value, segments, scaling, sliding_window, causal), None


def _by_run(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: Segments,
    scaling: float | None,
    window: int | None,
    causal: bool,
) -> Tensor:
    _, heads, tokens, size = query.shape
    out = query.new_empty(1, tokens, heads, size)
    start = 0
    for texts, length in segments.runs:
        span = slice(start, start := start + texts * length)
        q, k, v = (
            x[0, :, span].view(x.shape[1], texts, length, size).transpose(0, 1) for x in (query, key, value)
        )
        mask = _window(length, window, causal, query.device) if window and length > window else None
        found = scaled_dot_product_attention(
            *(q, k, v, mask), is_causal=causal and mask is None, scale=scaling, enable_gqa=heads != k.shape[1]
        )
        out[0, span] = found.transpose(1, 2).flatten(0, 1)
    return out


def _window(length: int, window: int, causal: bool, device: torch.device) -> Tensor:
    at = torch.arange(length, device=device)
    distance = at[:, None] - at
    return (distance < window) & ((distance >= 0) if causal else (distance > -window))


def _by_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: Segments,
    scaling: float | None,
    window: int | None,
    causal: bool,
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    reach = window - 1 if window else -1
    q, k, v = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    bounds, longest = segments.bounds, segments.longest
    found = varlen_attn(
        *(q, k, v, bounds, bounds, longest, longest),
        scale=scaling,
        window_size=(reach, 0 if causal else reach),
        enable_gqa=q.shape[1] != k.shape[1],
    )
    assert isinstance(found, Tensor)  # a pair only where more is asked for
    return found[None]


AttentionInterface.register(NAME, attend)
