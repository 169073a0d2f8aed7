"""The transformer: meaning, independence of the batch, and what it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoders.core.base import EncoderError, counts, timings
from encoders.fitted.projection import ProjectedEncoder, Projection
from encoders.serving.cache import CachedEncoder
from encoders.text.transformer import TransformerEncoder
from tests.encoders.tiny import make_bert, make_gpt2, make_mpnet, make_roberta, write_json

NEAR = [
    ("red running shoes for women", "ladies' jogging trainers in red"),
    ("porcelain tea cup", "china mug for hot drinks"),
    ("garden watering can", "plant sprinkler for outdoor flowers"),
    ("birthday greeting card", "postcard with happy returns"),
]
# Short and long in turns, so that batches pad and cut.
TEXTS = [text * times for pair in NEAR for text, times in zip(pair, (1, 6), strict=True)]


@pytest.fixture(scope="module")
def demo() -> TransformerEncoder:
    return TransformerEncoder("demo", device="cpu", token_budget=128)


@pytest.fixture
def tiny(tmp_path: Path) -> Any:
    """Makes a small encoder with random weights."""
    folder = make_bert(tmp_path)
    return lambda **options: TransformerEncoder(str(folder), device="cpu", **options)


def test_a_sentence_is_nearest_to_the_one_that_means_the_same(demo: TransformerEncoder) -> None:
    one, other = (demo.encode([pair[side] for pair in NEAR]) for side in (0, 1))
    assert (one @ other.T).argmax(axis=1).tolist() == list(range(len(NEAR)))


def test_a_real_vector_does_not_depend_on_its_batch(demo: TransformerEncoder) -> None:
    together = demo.encode(TEXTS)
    for row, text in enumerate(TEXTS):
        assert together[row] == pytest.approx(demo.encode([text])[0], abs=1e-6)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    assert demo.encode([TEXTS[at] for at in order]) == pytest.approx(together[order], abs=1e-6)


def test_an_english_model_does_not_know_chinese_and_counts_it(demo: TransformerEncoder) -> None:
    before = demo.stats.unknown
    demo.encode(["red shoes"])
    assert demo.stats.unknown == before
    demo.encode(["馬鞋襪"])
    assert demo.stats.unknown > before


def test_what_lies_behind_the_limit_is_not_read_and_is_counted(tiny: Any) -> None:
    encoder = tiny(max_length=8)
    encoder.encode(["the " * 6])
    assert encoder.stats.truncated == 0  # as long as may be, and all of it read
    short, long, longer = encoder.encode(["the mug", "the " * 6 + "mug", "the " * 6 + "red shoes mug"])
    assert encoder.stats.truncated == 2
    assert long == pytest.approx(longer, abs=1e-6) == encoder.encode(["the " * 6])[0]
    assert np.abs(short - long).max() > 1e-3


def test_the_limit_is_never_beyond_the_models_own(tiny: Any) -> None:
    encoder = tiny(max_length=10_000)
    assert encoder.max_length == 64
    assert np.isfinite(encoder.encode(["mug " * 500])).all()


@pytest.mark.parametrize(("make", "padding"), [(make_bert, 0), (make_mpnet, 5)])
def test_padding_is_counted_where_there_is_any(tmp_path: Path, make: Any, padding: int) -> None:
    """What cannot be packed has its text of 3 tokens padded to the other's 8."""
    encoder = TransformerEncoder(str(make(tmp_path)), device="cpu")
    texts = ["mug", "the the the the the the"] if make is make_bert else ["a", "mugmug"]
    encoder.encode(texts)
    assert (encoder.stats.texts, encoder.stats.tokens, encoder.stats.padding) == (2, 11, padding)


def test_counts_are_found_through_projection_and_cache(tiny: Any) -> None:
    raw = tiny()
    projection = Projection.fit(raw.encode([f"mug {n}" for n in range(20)]), 4)
    encoder = CachedEncoder(ProjectedEncoder(raw, projection), 10)
    encoder.encode(["red mug", "red mug"])
    found = counts(encoder)
    assert found["cache"] == {"hit": 1, "miss": 1, "evicted": 0}
    assert found["tokens"] == {
        "encoded": raw.stats.tokens,
        "padding": raw.stats.padding,
        "truncated": 0,
        "unknown": 0,
    }


def test_the_seconds_of_each_step_are_counted_apart(tiny: Any) -> None:
    ticks = iter([0.0, 1.0, 1.0, 3.0, 7.0])
    encoder = CachedEncoder(tiny(clock=lambda: next(ticks)), 10)
    encoder.encode(["red mug"])
    assert timings(encoder) == {"seconds": {"tokenize": 1.0, "forward": 2.0, "copy": 4.0}}


def test_positions_that_roberta_never_uses_are_not_used(tmp_path: Path) -> None:
    encoder = TransformerEncoder(str(make_roberta(tmp_path)), device="cpu")
    assert encoder.max_length == 64  # of 66
    assert np.isfinite(encoder.encode(["mug " * 500])).all()


def test_a_models_own_limit_is_kept(tmp_path: Path) -> None:
    write_json(make_bert(tmp_path) / "sentence_bert_config.json", {"max_seq_length": 16})
    assert TransformerEncoder(str(tmp_path), device="cpu").max_length == 16


@pytest.mark.parametrize(("make", "pooling"), [(make_bert, "mean"), (make_gpt2, "last")])
def test_without_a_word_encoders_pool_the_mean_and_decoders_the_last(
    tmp_path: Path, make: Any, pooling: str
) -> None:
    auto = TransformerEncoder(str(make(tmp_path)), device="cpu")
    named = TransformerEncoder(str(tmp_path), device="cpu", pooling=pooling)
    assert (auto.pooling, auto.revision) == (pooling, named.revision)


def test_a_decoders_last_token_sees_the_whole_text(tmp_path: Path) -> None:
    encoder = TransformerEncoder(str(make_gpt2(tmp_path)), device="cpu")
    red, blue = encoder.encode(["red mug", "blue mug"])
    assert np.abs(red - blue).max() > 1e-3


def test_all_that_decides_a_vector_is_in_the_revision(tmp_path: Path) -> None:
    folder = make_bert(tmp_path)
    write_json(folder / "config_sentence_transformers.json", {"truncate_dim": 32, "prompts": {"q": "the "}})
    ways: list[dict[str, Any]] = [
        {},
        {"pooling": "cls"},
        {"max_length": 8},
        {"prompt": "red "},
        {"prompt_name": "q"},
        {"truncate_dim": 16},
    ]
    made = [TransformerEncoder(str(folder), device="cpu", **way) for way in ways]
    assert len({encoder.revision for encoder in made}) == len(ways)
    # The prompt's text counts, not how it was given.
    assert made[4].revision == TransformerEncoder(str(folder), device="cpu", prompt="the ").revision


def test_a_prompt_is_read_before_every_text(tiny: Any) -> None:
    assert tiny(prompt="the ").encode(["mug"]) == pytest.approx(tiny().encode(["the mug"]), abs=1e-6)


def test_a_prompt_that_is_not_to_be_pooled_is_only_attended_to(tmp_path: Path) -> None:
    """[CLS] the the | mug [SEP]: the mean is over the last two."""
    folder = make_bert(tmp_path)
    plain = TransformerEncoder(str(folder), device="cpu")
    write_json(
        folder / "modules.json", [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "1"}]
    )
    write_json(folder / "1" / "config.json", {"pooling_mode": "mean", "include_prompt": False})
    encoder = TransformerEncoder(str(folder), device="cpu", prompt="the the ")
    (hidden,) = plain._forward.hidden(plain._tokens(["the the mug"]))
    mean = hidden[0, 3:].mean(dim=0).detach().numpy()
    assert encoder.encode(["mug"])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_leading_dimensions_are_unit_rows_again(tmp_path: Path) -> None:
    folder = make_bert(tmp_path)
    (folder / "README.md").write_text("Trained with MatryoshkaLoss.")
    whole = TransformerEncoder(str(folder), device="cpu").encode(["red mug"])
    encoder = TransformerEncoder(str(folder), device="cpu", truncate_dim=8)
    assert encoder.dim == 8
    assert encoder.encode(["red mug"]) == pytest.approx(
        whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True), abs=1e-6
    )


def test_a_pooling_that_there_is_not_is_refused(tiny: Any) -> None:
    with pytest.raises(EncoderError, match="choose auto, mean"):
        tiny(pooling="median")
