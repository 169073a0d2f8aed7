"""The two ways to attend within segments: by run, and by the kernel of a GPU, which is played here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from encoders.text.attention import Segments, _by_kernel, _by_run, attend


def reference(
    q: Tensor, k: Tensor, v: Tensor, bounds: Tensor, _: Tensor, *longest: int, **how: Any
) -> Tensor:
    """What torch documents of varlen_attn, text by text: (tokens, heads, head size)."""
    left, right = how["window_size"]
    group = q.shape[1] // k.shape[1]
    assert (how["enable_gqa"], max(longest)) == (group > 1, int(bounds.diff().max()))
    out = torch.empty_like(q)
    for start, stop in zip(bounds.tolist(), bounds[1:].tolist(), strict=False):
        distance = torch.arange(stop - start)[:, None] - torch.arange(stop - start)
        seen = ((left < 0) | (distance <= left)) & ((right < 0) | (-distance <= right))
        keys, values = (x[start:stop].repeat_interleave(group, dim=1) for x in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q[start:stop], keys) * how["scale"]
        out[start:stop] = torch.einsum(
            "hqk,khd->qhd", scores.masked_fill(~seen, -torch.inf).softmax(-1), values
        )
    return out


@given(
    runs=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=1, max_size=4),
    window=st.sampled_from([None, 1, 3, 20]),
    causal=st.booleans(),
    kv_heads=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=40)
def test_both_see_the_same(
    runs: list[tuple[int, int]], window: int | None, causal: bool, kv_heads: int
) -> None:
    lengths = [length for texts, length in runs for _ in range(texts)]
    segments = Segments(tuple(runs), torch.from_numpy(np.cumsum([0, *lengths]).astype(np.int32)))
    draw = torch.Generator().manual_seed(sum(lengths))
    q, k, v = (torch.randn(1, heads, sum(lengths), 8, generator=draw) for heads in (4, kv_heads, kv_heads))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.nn.attention.varlen.varlen_attn", reference)
        kernel = _by_kernel(q, k, v, segments, 0.3, window, causal)
    assert torch.allclose(_by_run(q, k, v, segments, 0.3, window, causal), kernel, atol=1e-5)


@pytest.mark.parametrize("asked", [{"softcap": 50.0}, {"position_bias": torch.zeros(1)}])
def test_attention_of_another_kind_is_refused(asked: dict[str, Any]) -> None:
    row = torch.zeros(1, 1, 1, 8)
    segments = Segments(((1, 1),), torch.tensor([0, 1], dtype=torch.int32))
    with pytest.raises(NotImplementedError, match=next(iter(asked))):
        attend(SimpleNamespace(is_causal=False), row, row, row, None, segments=segments, **asked)
