"""The verbs `fit …`: what they read, learn and refuse. The topic is a list here, in tests/broker a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from encoders.core.base import EncoderError
from encoders.fitted.projection import Projection, ProjectionError
from encoders.text.hashing import HashingEncoder
from streams.commands.main import app
from streams.learn import topic_contents
from streams.learn.fit import Fit, fit_projection
from streams.settings.settings import Settings, SettingsError
from streams.wiring.encoder import build_encoder
from tests.streams.catalog.test_updater import Message

SETTINGS = Settings(encoder="hashing", dimensions=8)


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The records of the catalog topic."""
    records: list[Message] = []
    monkeypatch.setattr(topic_contents, "read_all", lambda config, name: iter([records]))
    return records


def item(item_id: str, title: str, **fields: Any) -> Message:
    return Message(item_id.encode(), orjson.dumps({"item_id": item_id, "title": title, **fields}))


def make_catalog(items: int = 400) -> list[Message]:
    return [item(f"i{n}", f"word{n} kind{n % 7} maker{n % 11}") for n in range(items)]


def test_it_is_the_pca_of_all_the_items_texts(topic: list[Message], tmp_path: Path) -> None:
    topic += make_catalog()
    made = fit_projection(SETTINGS, tmp_path / "p.safetensors", Fit())
    texts = [f"word{n} kind{n % 7} maker{n % 11}" for n in range(400)]
    expected = Projection.fit(HashingEncoder(8).encode(texts), 8)
    np.testing.assert_allclose(made.mean, expected.mean, atol=1e-12)
    np.testing.assert_allclose(made.matrix, expected.matrix, atol=1e-8)
    assert made.metadata == {"method": "pca", "source": "hashing@8-0", "whiten": 0.5, "rows": 400}
    assert Projection.load(tmp_path / "p.safetensors").version == made.version


def test_the_version_depends_on_the_catalog_not_on_its_topics_order(
    topic: list[Message], tmp_path: Path
) -> None:
    topic += make_catalog()
    first = fit_projection(SETTINGS, tmp_path / "a", Fit()).version
    topic.reverse()
    topic[:0] = [
        item("i3", "another text, before the one that counts"),
        item("gone", "x"),
        Message(b"?", b"{"),
    ]
    topic.append(Message(b"gone", None))
    assert fit_projection(SETTINGS, tmp_path / "b", Fit()).version == first
    topic.append(item("i3", "another text, now"))
    assert fit_projection(SETTINGS, tmp_path / "c", Fit()).version != first


def test_a_sample_bounds_what_is_encoded(topic: list[Message], tmp_path: Path) -> None:
    topic += make_catalog()
    assert fit_projection(SETTINGS, tmp_path / "p", Fit(sample=100)).metadata["rows"] == 100


@pytest.mark.parametrize("method", ["random", "truncate"])
def test_what_learns_nothing_reads_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str
) -> None:
    monkeypatch.setattr(topic_contents, "read_all", lambda *_: pytest.fail("the topic was read"))
    assert fit_projection(SETTINGS, tmp_path / "p", Fit(method)).metadata["method"] == method


def test_where_media_are_encoded_a_projection_is_of_no_use(tmp_path: Path) -> None:
    settings = Settings(encoder="hashing", dimensions=8, image_encoder="clip")
    with pytest.raises(SettingsError, match="fit fusion"):
        fit_projection(settings, tmp_path / "p", Fit())


def test_what_cannot_be_is_said_before_anything_is_encoded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(topic_contents, "read_all", lambda *_: pytest.fail("the topic was read"))
    for wrong in (Fit("umap"), Fit(whiten=2.0), Fit("random", whiten=0.5)):
        with pytest.raises(ProjectionError):
            fit_projection(SETTINGS, tmp_path / "p", wrong)
    assert not (tmp_path / "p").exists()


def test_an_empty_catalog_says_what_to_do(topic: list[Message], tmp_path: Path) -> None:
    topic += [item("i", ""), Message(b"j", None)]
    with pytest.raises(SettingsError, match="load a catalog first"):
        fit_projection(SETTINGS, tmp_path / "p", Fit())


def test_the_command_passes_its_options_on(topic: list[Message], tmp_path: Path) -> None:
    topic += make_catalog(60)
    path, env = tmp_path / "p", {"INTERESTFLOW_ENCODER": "hashing", "INTERESTFLOW_DIMENSIONS": "8"}
    options = ["--method", "svd", "--whiten", "1", "--sample", "50", "--output", str(path)]
    result = CliRunner().invoke(app, ["fit", "projection", *options], env=env)
    assert result.exit_code == 0, result.output
    about = Projection.load(path).metadata
    assert (about["method"], about["whiten"], about["rows"]) == ("svd", 1.0, 50)
    result = CliRunner().invoke(app, ["fit", "projection", "--method", "none"], env=env)
    assert result.exit_code == 1
    assert "there are: pca, svd, random, truncate" in result.output


def test_topics_are_fitted_and_encode(topic: list[Message], tmp_path: Path) -> None:
    topic += make_catalog(60)
    path, env = tmp_path / "t", {"INTERESTFLOW_DIMENSIONS": "4"}
    result = CliRunner().invoke(app, ["fit", "topics", "--output", str(path)], env=env)
    assert result.exit_code == 0, result.output
    encoder = build_encoder(Settings(encoder="topics", topics=path, dimensions=4))
    kinds = encoder.encode(["kind1 maker1", "maker1 kind1", "kind2 maker5"])
    assert np.array_equal(kinds[0], kinds[1])
    assert not np.array_equal(kinds[0], kinds[2])
    with pytest.raises(EncoderError, match="interestflow fit topics"):
        build_encoder(Settings(encoder="topics", dimensions=4))
