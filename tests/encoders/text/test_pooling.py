"""Poolings by their formulas."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.text.pooling import POOLINGS, Pooler

# Two texts of three tokens in one dimension.
HIDDEN = torch.tensor([[[1.0], [5.0], [3.0]], [[-2.0], [0.0], [-4.0]]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", [3, -2]),
        ("max", [5, 0]),
        ("cls", [1, -2]),
        ("last", [3, -4]),
        ("weighted", [(1 * 1 + 2 * 5 + 3 * 3) / 6, (1 * -2 + 3 * -4) / 6]),
    ],
)
def test_each_by_its_formula(name: str, expected: list[float]) -> None:
    assert POOLINGS[name](HIDDEN, 0)[:, 0].tolist() == pytest.approx(expected)


def test_tokens_keep_their_positions_weights_behind_a_prompt() -> None:
    assert POOLINGS["weighted"](HIDDEN, 1)[:, 0].tolist() == pytest.approx([(2 * 5 + 3 * 3) / 5, 3 * -4 / 5])


@given(name=st.sampled_from(sorted(POOLINGS)), tokens=st.integers(1, 9), skip=st.integers(0, 12))
def test_of_equal_tokens_every_pooling_is_the_token(name: str, tokens: int, skip: int) -> None:
    """Also where the prompt has taken all of the text's room but one token."""
    token = torch.tensor([0.6, -0.8, 7.0])
    found = Pooler(name, 2, skip)([token.expand(3, tokens, 3), token.expand(1, tokens + 1, 3)])
    assert torch.allclose(found, token[:2].expand(4, 2))
