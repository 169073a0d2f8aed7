"""Packed and padded: the same vectors as the model itself gives for each text alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.checkpoints.loading import load, position_offset
from encoders.text.forward import Forward, Packed, Padded, choose
from tests.encoders.tiny import make_bert, make_gpt2, make_modernbert, make_mpnet, make_qwen3, make_roberta

MAKERS = [make_bert, make_roberta, make_modernbert, make_gpt2, make_qwen3, make_mpnet]
PAD = 1
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@pytest.fixture(scope="module", params=MAKERS, ids=lambda make: make.__name__.removeprefix("make_"))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Forward]:
    """A model as it is, and the forward pass chosen for another copy of it."""
    folder = request.param(tmp_path_factory.mktemp("model"))
    (_, stock), (_, model) = load(folder, torch.float32), load(folder, torch.float32)
    return stock, choose(model, pad=PAD, offset=position_offset(model), max_length=64)


@given(lengths=LENGTHS, seed=st.integers(0, 99))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_text_is_as_if_the_model_had_read_it_alone(
    both: tuple[Any, Forward], lengths: list[int], seed: int
) -> None:
    stock, forward = both
    draw = torch.Generator().manual_seed(seed)
    ids = [torch.randint(4, 40, (n,), generator=draw).tolist() for n in sorted(lengths, reverse=True)]
    with torch.inference_mode():
        found = [text for run in forward.hidden(ids) for text in run]
        for text, tokens in zip(found, ids, strict=True):
            alone = stock(input_ids=torch.tensor([tokens])).last_hidden_state[0]
            assert torch.allclose(text, alone, atol=2e-5)
    assert len(found) == len(ids)


def chosen(
    make: Callable[[Path], Path], folder: Path, change: Callable[[Any], None] = lambda _: None
) -> Forward:
    _, model = load(make(folder), torch.float32)
    change(model)
    return choose(model, pad=PAD, offset=position_offset(model), max_length=64)


@pytest.mark.parametrize("make", MAKERS)
def test_all_are_packed_but_those_with_an_attention_of_their_own(tmp_path: Path, make: Any) -> None:
    assert isinstance(chosen(make, tmp_path), Padded if make is make_mpnet else Packed)


def test_what_packing_would_change_is_padded_instead(tmp_path: Path) -> None:
    """Positions counted from elsewhere: the trial must see it."""

    def shift(model: Any) -> None:
        model.embeddings.position_embeddings.padding_idx = 5

    before = load(make_roberta(tmp_path), torch.float32)[1].config._attn_implementation
    forward = chosen(make_roberta, tmp_path, shift)
    assert isinstance(forward, Padded)
    assert forward._model.config._attn_implementation == before
