"""What the benchmark of the encoders is made of: its texts, its bound, and who is first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel

from encoders.text.transformer import TransformerEncoder
from streams.bench.encoders import bound, device, quality, texts
from streams.bench.encoders.contenders import OURS, THEIRS, THEIRS_AT_BEST, cosine_gap
from streams.bench.encoders.run import Plan, run
from streams.bench.errors import BenchError
from tests.encoders.tiny import make_bert

HIDDEN, INNER, LAYERS = 32, 64, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


def test_the_mixed_set_is_seeded_half_chinese_and_mostly_short() -> None:
    made = texts.mixed(400, seed=1)
    assert made == texts.mixed(400, seed=1) != texts.mixed(400, seed=2)
    assert sum(not text.isascii() for text in made) == 200
    assert sum(len(text) > 60 for text in made) < 200


def test_without_data_english_texts_are_made_and_that_is_said() -> None:
    made, source = texts.english(None, 50, seed=1)
    assert len(made) == 50
    assert "made here" in source


def test_a_folder_without_the_data_sets_is_told_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"lacks .*ml-latest-small"):
        texts.english(tmp_path, 50, seed=1)


def test_the_real_catalogs_are_read(test_data: Path) -> None:
    found, source = texts.english(test_data, 500, seed=1)
    assert len(set(found)) == 500
    assert "MovieLens" in source


def test_operations_are_those_of_the_linear_layers_and_of_attention(folder: Path) -> None:
    model = AutoModel.from_pretrained(folder)
    per_layer = 4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER
    assert sum(i * o * count for (i, o), count in bound.shapes(model).items()) == LAYERS * per_layer
    expected = LAYERS * sum(2 * per_layer * n + 4 * HIDDEN * n * n for n in (3, 5))
    assert bound.operations(model, model.config, [3, 5]) == expected


def test_the_gap_is_one_minus_the_cosine_of_the_worst_row() -> None:
    rows = np.eye(2, dtype=np.float32)
    turned = np.array([[1, 0], [np.sin(0.1), np.cos(0.1)]], dtype=np.float32)
    assert cosine_gap(rows, rows) == 0.0
    assert cosine_gap(rows, 3 * turned) == pytest.approx(1 - np.cos(0.1), rel=1e-5)


class Other:
    """In place of sentence-transformers: another encoder's vectors."""

    def __init__(self, folder: Path) -> None:
        self.inner = TransformerEncoder(str(folder), device="cpu")

    def encode(self, given: list[str], **_: Any) -> Any:
        return self.inner.encode(given)


def test_a_case_has_every_number_of_both_sides_in_every_round(folder: Path) -> None:
    encoder = TransformerEncoder(str(folder), device="cpu")
    samples = quality.measure("mixed", texts.mixed(30, seed=1), encoder, Other(folder), 2, lambda line: None)
    rows = {(row.engine, row.metric): row for row in samples.rows()}
    assert all(row.runs == 2 for row in rows.values())
    assert {engine for engine, metric in rows if metric == "ratio"} == {
        f"{OURS} / {THEIRS}",
        f"{OURS} / {THEIRS_AT_BEST}",
    }
    assert rows[OURS, "max_1_minus_cosine"].max == pytest.approx(0.0, abs=1e-6)
    assert 0.0 <= (rows[OURS, "padding"].min or 0.0) < 1.0
    assert (rows[OURS, "unknown_tokens"].min or 0.0) > 0.0  # it knows no Chinese
    assert (rows[OURS, "share_of_sgemm"].min or 0.0) > 0.0


def test_on_a_cpu_every_length_is_measured_and_the_bound_takes_no_longer_than_the_texts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "theirs", lambda folder, _: Other(Path(folder)))
    monkeypatch.setattr(device, "_single_tokens", lambda _: ["red", "mug", "the"])
    tiny = device.Architecture("tiny", lambda _: str(folder), (3, 100_000))
    monkeypatch.setattr(device, "ARCHITECTURES", (tiny,))
    products, rate = [], bound.rate

    def counted(model: Any, where: str, dtype: torch.dtype, rows: int, repeats: int) -> float:
        products.append((rows, repeats))
        return rate(model, where, dtype, rows, repeats)

    monkeypatch.setattr(bound, "rate", counted)
    samples = device.measure(2, 7, lambda line: None)
    assert "no GPU here" in samples.notes[device.CASE]
    assert {row.case for row in samples.rows()} == {f"device tiny, {n} tokens" for n in device.TOKENS}
    assert all(row.runs == 2 and (row.min or 0.0) > 0.0 for row in samples.rows())
    assert products == [(3 * n, 1) for n in device.TOKENS for _ in range(2)]


def test_a_case_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(BenchError, match="no case speed; there are: english, mixed"):
        run(Plan(1, 300, cases=("speed",)), None)
