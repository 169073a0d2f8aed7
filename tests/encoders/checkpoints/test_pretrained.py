"""What every model of transformers says where it cannot be loaded, and how a named one is pinned. No hub is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from encoders.checkpoints import pretrained
from encoders.checkpoints.weights import load_parts
from encoders.core.base import EncoderError
from encoders.media.film import SpeechTranscriber
from encoders.media.image import ImageEncoder
from encoders.sentiment.classifier import SentimentClassifier
from encoders.text.transformer import TransformerEncoder
from tests.encoders.media.tiny_media import make_clip, make_whisper
from tests.encoders.tiny import make_bert, make_classifier

COMMIT = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"


@dataclass(frozen=True)
class Kind:
    """make: writes one into a folder. load: takes a name or folder, and a revision."""

    make: Callable[[Path], Path]
    load: Callable[[str, str | None], Any]
    setting: str

    def refused(self, folder: Path) -> str:
        with pytest.raises(EncoderError) as caught:
            self.load(str(folder), None)
        said = str(caught.value)
        assert f"et {self.setting} to" in said
        return said


def classifier(folder: Path) -> Path:
    return make_classifier(folder, {0: "negative", 1: "positive"})


KINDS = {
    "text": Kind(
        make_bert,
        lambda model, revision: TransformerEncoder(model, revision=revision, device="cpu"),
        "INTERESTFLOW_ENCODER",
    ),
    "weights": Kind(make_bert, load_parts, "INTERESTFLOW_ENCODER"),
    "sentiment": Kind(
        classifier,
        lambda model, revision: SentimentClassifier(model, revision=revision, device="cpu"),
        "INTERESTFLOW_SENTIMENT",
    ),
    "pictures": Kind(
        make_clip,
        lambda model, revision: ImageEncoder(model, revision=revision, device="cpu"),
        "INTERESTFLOW_IMAGE_ENCODER",
    ),
    "speech": Kind(
        make_whisper,
        lambda model, revision: SpeechTranscriber(model, revision=revision, device="cpu"),
        "INTERESTFLOW_SPEECH_ENCODER",
    ),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def configure(folder: Path, **entries: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_what_there_is_not(kind: Kind, tmp_path: Path) -> None:
    assert "there is no folder" in kind.refused(tmp_path / "absent")
    assert "has no config.json" in kind.refused(tmp_path)


def test_weights_that_are_no_safetensors_are_not_read(kind: Kind, tmp_path: Path) -> None:
    weights = kind.make(tmp_path) / "model.safetensors"
    torch.save(load_file(weights), tmp_path / "pytorch_model.bin")
    weights.unlink()
    assert "no weights in safetensors" in kind.refused(tmp_path)


def test_damaged_weights(kind: Kind, tmp_path: Path) -> None:
    weights = kind.make(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot load" in kind.refused(tmp_path)


def test_weights_that_are_not_all_there_are_not_drawn_at_random(kind: Kind, tmp_path: Path) -> None:
    path = kind.make(tmp_path) / "model.safetensors"
    weights = load_file(path)
    lost = next(name for name in sorted(weights) if ".layer" in name)
    del weights[lost]
    save_file(weights, path, metadata={"format": "pt"})
    assert f"lack {lost}" in kind.refused(tmp_path)


def test_no_code_of_a_model_is_run(kind: Kind, tmp_path: Path) -> None:
    kind.make(tmp_path)
    auto = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification", "AutoModelForSpeechSeq2Seq")
    configure(tmp_path, model_type="theirs", auto_map=dict.fromkeys(auto, "theirs.Theirs"))
    (tmp_path / "theirs.py").write_text("raise SystemExit('it was run')")
    assert "code of its own, which is never run" in kind.refused(tmp_path)


@pytest.mark.parametrize("name", ["text", "sentiment"])
def test_a_package_that_is_missing(name: str, tmp_path: Path) -> None:
    KINDS[name].make(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    # Its words are told apart by a package that InterestFlow never needs.
    config = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab", "mecab_kwargs": {}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\n")
    assert "install fugashi" in KINDS[name].refused(tmp_path)


@pytest.mark.parametrize("name", ["text", "weights", "sentiment"])
def test_a_tokenizer_that_knows_no_word_is_none(name: str, tmp_path: Path) -> None:
    KINDS[name].make(tmp_path)
    for file in ("tokenizer.json", "vocab.txt"):
        (tmp_path / file).unlink(missing_ok=True)
    assert "has no vocabulary" in KINDS[name].refused(tmp_path)


@pytest.fixture
def asked(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the hub was asked for; it answers with a folder named by the commit, as its cache has it."""
    calls: list[dict[str, Any]] = []

    def download(model: str, **options: Any) -> str:
        calls.append({"model": model, **options})
        return str(kind.make(tmp_path / COMMIT))

    monkeypatch.setattr(pretrained, "snapshot_download", download)
    return calls


def test_a_name_without_a_revision_says_which_commit_it_is(
    kind: Kind, asked: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    kind.load("maker/model", None)
    assert f"{kind.setting}_REVISION to {COMMIT}" in caplog.text


def test_a_revision_is_asked_for_and_not_spoken_of(
    kind: Kind, asked: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    kind.load("maker/model", COMMIT)
    assert [(call["model"], call["revision"]) for call in asked] == [("maker/model", COMMIT)]
    assert "_REVISION" not in caplog.text


def test_neither_pickles_nor_code_are_fetched(kind: Kind, asked: list[dict[str, Any]]) -> None:
    kind.load("maker/model", COMMIT)
    assert not {"*.bin", "*.pt", "*.py", "*"} & set(asked[0]["allow_patterns"])
