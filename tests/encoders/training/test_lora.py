"""Fine-tuning: it learns what can be learned, the same way each time, and knows when to stop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.checkpoints.weights import load_parts
from encoders.core.base import EncoderError
from encoders.text.hashing import HashingEncoder
from encoders.text.transformer import TransformerEncoder
from encoders.training.contrastive import Pair, chance, conflicts, info_nce, recall
from tests.encoders.tiny import make_bert

pytest.importorskip("peft", reason="the extra `train` is not installed")
from encoders.training.lora import TEMPERATURES, History, Options, Trainer, about, batches, fine_tune

OPTIONS = Options(rank=4, alpha=8, learning_rate=3e-3, batch=16, epochs=3, max_length=16)
LETTERS = "abcdefgh"


def learnable(count: int, seed: int) -> list[Pair]:
    """A letter goes with the digit of its place in the alphabet; what stands around both is noise."""
    random = np.random.default_rng(seed)
    places = random.integers(0, len(LETTERS), count)
    noise = random.integers(0, 900, (count, 2))
    return [
        Pair(f"{3 * f'{LETTERS[place]} '}{one}", f"{3 * f'{place} '}mug {other}", number)
        for number, (place, (one, other)) in enumerate(zip(places, noise, strict=True))
    ]


TRAIN, HELD_OUT = learnable(256, 1), learnable(64, 2)


@pytest.fixture(autouse=True, scope="module")  # before the other fixtures of the module, which train
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History]:
    folder = tmp_path_factory.mktemp("trained") / "model"
    return folder, fine_tune(load_parts(str(base)), TRAIN, HELD_OUT, folder, OPTIONS)


def test_training_lowers_the_loss_of_pairs_that_it_never_saw(trained: tuple[Path, History]) -> None:
    _, history = trained
    assert min(history.held_out) < history.base - 0.8
    assert history.train[-1] < history.train[0]


def test_what_it_writes_is_an_encoder_of_another_space_that_holds_pairs_nearer(
    base: Path, trained: tuple[Path, History]
) -> None:
    old, new = (TransformerEncoder(str(folder), device="cpu") for folder in (base, trained[0]))
    assert old.revision != new.revision
    candidates = sorted({pair.right for pair in HELD_OUT})
    assert recall(new, HELD_OUT, candidates) > recall(old, HELD_OUT, candidates) + 0.1


def test_the_merged_model_gives_the_vectors_that_were_trained(base: Path, tmp_path: Path) -> None:
    parts = load_parts(str(base))
    torch.manual_seed(0)
    trainer = Trainer(parts, OPTIONS, lambda: None)
    trainer.fit(TRAIN, HELD_OUT)
    texts = ["a 17", "3 mug 5", "", "the red shoes and the mug"]
    with torch.no_grad():
        trained = trainer.embed(texts).numpy()
    trainer.model.merge_and_unload().save_pretrained(tmp_path)
    parts.tokenizer.save_pretrained(tmp_path)
    assert TransformerEncoder(str(tmp_path), max_length=16, device="cpu").encode(texts) == pytest.approx(
        trained, abs=1e-5
    )


def test_a_seed_decides_all(base: Path, trained: tuple[Path, History], tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    runs = {
        seed: fine_tune(
            load_parts(str(base)), TRAIN, HELD_OUT, tmp_path / str(seed), replace(OPTIONS, seed=seed)
        )
        for seed in (0, 1)
    }
    assert torch.equal(torch.random.get_rng_state(), before)  # the caller's generator is left alone
    assert runs[0] == trained[1] != runs[1]
    same, first = (TransformerEncoder(str(folder), device="cpu") for folder in (tmp_path / "0", trained[0]))
    assert same.revision == first.revision


def test_the_weights_say_how_they_came_about(trained: tuple[Path, History]) -> None:
    told = about(trained[0])
    assert told["lora"]["rank"] == 4
    assert told["losses"]["held_out"] == trained[1].held_out
    assert told["best_epoch"] == trained[1].best_epoch


def test_it_stops_where_nothing_is_gained_and_keeps_the_best(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    trainer = Trainer(load_parts(str(base)), replace(OPTIONS, epochs=9, patience=2), lambda: None)
    kept = {}
    losses = iter([2.5, 2.0, 1.5, 1.75, 1.7])

    def loss(_: object) -> float:
        value = next(losses)
        kept[value] = trainer._adapters()
        return value

    monkeypatch.setattr(trainer, "loss", loss)
    history = trainer.fit(TRAIN[:32], HELD_OUT)
    assert (history.held_out, history.best_epoch) == ([2.0, 1.5, 1.75, 1.7], 2)
    now = trainer._adapters()
    assert all(torch.equal(now[name], tensor) for name, tensor in kept[1.5].items())
    assert not all(torch.equal(now[name], tensor) for name, tensor in kept[1.7].items())


def test_training_that_does_not_help_is_not_written(base: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, learning_rate=0.0, epochs=1)
    with pytest.raises(EncoderError, match="did not help"):
        fine_tune(load_parts(str(base)), TRAIN, HELD_OUT, tmp_path / "none", options)
    assert not (tmp_path / "none").exists()


def test_a_model_to_which_all_texts_are_alike_is_not_written(base: Path, tmp_path: Path) -> None:
    """Its loss is less than the base's, which is sure of the wrong texts at this temperature."""
    options = replace(OPTIONS, temperature=0.02, learning_rate=0.1, epochs=1)
    with pytest.raises(EncoderError, match=r"all texts are alike. Give it a smaller --learning-rate"):
        fine_tune(load_parts(str(base)), TRAIN, HELD_OUT, tmp_path / "none", options)
    assert not (tmp_path / "none").exists()


def test_the_temperature_is_that_at_which_the_base_does_best(base: Path) -> None:
    trainer = Trainer(load_parts(str(base)), OPTIONS, lambda: None)
    losses = {}
    for trainer.temperature in TEMPERATURES:
        losses[trainer.temperature] = trainer.loss(TRAIN[:64])
    assert losses[trainer.fitted_temperature(TRAIN[:64])] == min(losses.values())
    assert losses[min(losses)] > trainer.chance(TRAIN[:64])  # the lowest would reward making all texts alike


@given(st.integers(1, 300), st.integers(2, 64))
def test_no_batch_is_left_with_a_single_pair(count: int, size: int) -> None:
    sizes = [len(batch) for batch in batches(TRAIN[:1] * count, size)]
    assert sum(sizes) == count
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 12), st.integers(0, 99), st.sampled_from([0.02, 0.2]))
def test_the_loss_of_texts_that_are_all_alike_is_chance(size: int, seed: int, temperature: float) -> None:
    pairs = learnable(size, seed)
    alike = torch.nn.functional.normalize(torch.ones(size, 8), dim=1)
    masked = conflicts(pairs)
    assert float(info_nce(alike, alike, masked, temperature)) == pytest.approx(chance(masked), abs=1e-4)
    assert chance(masked & False) == pytest.approx(np.log(size))


def test_pairs_that_share_a_text_or_a_session_are_no_negatives_of_each_other() -> None:
    pairs = [Pair("a", "b", 1), Pair("b", "c", 2), Pair("d", "e", 1), Pair("f", "g", 3)]
    expected = np.zeros((4, 4), dtype=bool)
    for one, other in ((0, 1), (0, 2)):
        expected[one, other] = expected[other, one] = True
    assert np.array_equal(conflicts(pairs), expected)


def test_a_masked_negative_weighs_nothing() -> None:
    rows = torch.nn.functional.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    masked = np.ones((3, 3), dtype=bool)
    np.fill_diagonal(masked, False)
    assert float(info_nce(rows, rows.roll(1, 0), masked, 0.05)) == 0.0
    assert float(info_nce(rows, rows.roll(1, 0), ~masked & False, 0.05)) > 1.0


def test_recall_counts_partners_among_the_nearest() -> None:
    encoder = HashingEncoder(256)
    candidates = ["red shoes", "blue kettle", "green tent", "old map"]
    near, far = Pair("red shoes", "old map", 0), Pair("red running shoes", "red shoes", 1)
    assert recall(encoder, [far], candidates, k=1) == 1.0
    assert recall(encoder, [near], candidates, k=3) == 1.0  # the left text itself takes no place
    assert recall(encoder, [Pair("blue kettle pot", "old map", 2)], candidates, k=1) == 0.0


def test_another_pooling_is_refused(tmp_path: Path) -> None:
    folder = make_bert(tmp_path)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "modules.json").write_text(
        '[{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]'
    )
    with pytest.raises(EncoderError, match="pools by cls"):
        load_parts(str(folder))


def test_what_it_writes_says_that_it_pools_by_the_mean(trained: tuple[Path, History]) -> None:
    load_parts(str(trained[0]))
    parts = json.loads((trained[0] / "modules.json").read_text())
    assert [part["type"].rpartition(".")[2] for part in parts] == ["Transformer", "Pooling", "Normalize"]
