"""Fitting the fusion from items and from what is consumed in a row, and building the encoder with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from encoders.core.base import EncoderError, identity
from encoders.fitted.fusion import GatedFusion, LateFusion
from encoders.media.content import ContentEncoder
from encoders.media.fused import FusedEncoder
from encoders.serving.cache import CachedEncoder
from encoders.text.hashing import HashingEncoder
from encoders.training.fusion_training import Recipe
from streams.catalog.items import Item
from streams.commands.main import app
from streams.learn import topic_contents
from streams.learn.fit_fusion import Choice, fit, fit_fusion
from streams.learn.pairs import CoConsumed
from streams.settings.settings import Settings, SettingsError
from streams.wiring import media as media_app
from streams.wiring.encoder import build_encoder
from streams.wiring.media import fusion_weights
from tests.encoders.media.media import HashedPictures
from tests.streams.flows import T0

SUBJECTS = ["mug kitchen tea", "shoe sport run", "lamp light desk", "book paper read", "hat wool head"]
QUICK = Recipe(epochs=4, batch=64, rate=5e-3)
HASHING = {"encoder": "hashing", "dimensions": 16}


def items(many: int = 60) -> list[Item]:
    """Of a subject each, with a picture that says nothing of it."""
    return [Item(f"i{n}", SUBJECTS[n % 5], media=[f"{n}.jpg"] if n % 4 else []) for n in range(many)]


def pairs(many: int = 400) -> list[CoConsumed]:
    """Items of one subject, one after the other."""
    rng = np.random.default_rng(0)
    drawn = [(int(n), int(n + 5 * k) % 60) for n, k in rng.integers((0, 1), (60, 11), (many, 2))]
    return [CoConsumed(1000 * n, f"u{n}", f"i{a}", f"i{b}", n) for n, (a, b) in enumerate(drawn)]


def encoder(text: Any = None) -> FusedEncoder:
    def late(widths: dict[str, int]) -> LateFusion:
        return LateFusion(widths, dict.fromkeys(widths, 1.0))

    return FusedEncoder(HashingEncoder(24) if text is None else text, late, HashedPictures())


def fitted(choice: Choice | None = None, catalog: list[Item] | None = None) -> Any:
    weights = fusion_weights(Settings(**HASHING).media)
    return fit(encoder(), catalog or items(), pairs(), weights, 16, choice or Choice(), QUICK)


def test_the_gate_is_compared_on_the_latest_pairs_with_what_needs_no_gate() -> None:
    found = fitted()
    assert (found.items, found.left_out, found.pairs, found.held_out) == (60, 0, 288, 80)
    assert list(found.qualities) == ["late", "projected", "gated"]
    assert found.qualities["gated"].loss < min(found.qualities[name].loss for name in ("late", "projected"))
    assert found.fusion.dim == 16
    assert fitted().fusion.version == found.fusion.version


def test_without_a_gate_the_catalog_is_enough() -> None:
    found = fitted(Choice(gate=False))
    assert (found.pairs, found.qualities) == (0, {})
    assert not found.fusion.gate.any()


def test_items_of_which_nothing_can_be_read_are_left_out() -> None:
    found = fitted(Choice(gate=False), [*items(), Item("x", media=["broken.jpg"])])
    assert (found.items, found.left_out) == (60, 1)


def test_too_little_is_told_before_anything_is_encoded() -> None:
    class Never(HashingEncoder):
        def encode(self, texts: Any) -> Any:
            raise AssertionError

    weights = fusion_weights(Settings(**HASHING).media)
    with pytest.raises(EncoderError, match=r"too few: at least 200 and 50 .*--no-gate"):
        fit(encoder(Never(24)), items(), pairs(100), weights, 16, Choice(), QUICK)
    with pytest.raises(EncoderError, match="0 pairs"):
        fit(
            encoder(Never(24)),
            [Item(f"x{n}", "hat") for n in range(17)],
            pairs(),
            weights,
            16,
            Choice(),
            QUICK,
        )
    with pytest.raises(EncoderError, match="16 items are too few for 16 dimensions"):
        fit(encoder(Never(24)), items(16), pairs(), weights, 16, Choice(gate=False), QUICK)


def test_with_texts_alone_there_is_nothing_to_fit() -> None:
    with pytest.raises(SettingsError, match="nothing to fuse"):
        fit_fusion(Settings(**HASHING), Path("f.safetensors"), Choice(), QUICK)


# --- building the encoder with it -------------------------------------------------------------------------


@pytest.fixture
def _seeing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_app, "build_pictures", lambda settings: HashedPictures())


@pytest.mark.usefixtures("_seeing")
def test_a_fitted_file_makes_the_encoder_that_the_catalog_reads_media_with(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    inner = CachedEncoder(HashingEncoder(16), 10)
    weights = fusion_weights(Settings(**HASHING).media)
    fusion = fit(encoder(inner), items(), [], weights, 16, Choice(gate=False), QUICK).fusion
    fusion.save(path)
    built = build_encoder(Settings(**HASHING, fusion=path))
    assert isinstance(built, ContentEncoder)
    assert identity(built) == identity(FusedEncoder(inner, GatedFusion.load(path), HashedPictures()))
    with pytest.raises(EncoderError, match="fitted on text of hashing@16-0"):
        build_encoder(Settings(encoder="hashing", dimensions=24, fusion=path))


@pytest.mark.usefixtures("_seeing")
def test_late_fusion_says_how_many_dimensions_it_has() -> None:
    with pytest.raises(SettingsError, match=r"28 dimensions, not 16: .* INTERESTFLOW_FUSION to its file$"):
        build_encoder(Settings(**HASHING))
    with pytest.raises(SettingsError, match="INTERESTFLOW_PROJECTION is of texts alone"):
        build_encoder(Settings(**HASHING, projection=Path("p.safetensors")))


def test_without_encoders_of_media_everything_is_as_before() -> None:
    assert isinstance(build_encoder(Settings(**HASHING)), CachedEncoder)


def test_weights_of_the_settings_count() -> None:
    weights = fusion_weights(Settings(**HASHING, fusion_picture_weight=3.0).media)
    assert weights == {"text": 1.0, "picture": 3.0, "transcript": 1.0}


# --- the command ------------------------------------------------------------------------------------------


class Message:
    """What is read of a consumer's message."""

    def __init__(self, key: str, value: Any) -> None:
        self._key, self._value = key.encode(), None if value is None else orjson.dumps(value)

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 1, T0

    def headers(self) -> None:
        return None


def topics() -> dict[str, list[Message]]:
    """Catalog and events; the last item is removed again, one record of each is broken."""
    catalog = [
        Message(one.item_id, {"item_id": one.item_id, "title": one.title, "media": one.media})
        for one in items()
    ]
    told = [(f"u{pair.session}", item) for pair in pairs(1500) for item in (pair.left, pair.right)]
    events = [
        Message(
            user,
            {"event_id": f"e{n}", "user_id": user, "item_id": item, "action": "like", "timestamp": T0 + n},
        )
        for n, (user, item) in enumerate(told)
    ]
    gone = [Message("gone", {"item_id": "gone", "title": "hat"}), Message("gone", None)]
    return {
        "catalog.items.v1": [*catalog, Message("bad", []), *gone],
        "behavior.events.v1": [Message("bad", {}), *events],
    }


@pytest.mark.usefixtures("_seeing")
def test_the_command_says_what_was_gained_and_writes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = topics()
    monkeypatch.setattr(topic_contents, "read_all", lambda config, topic: iter([records[topic]]))
    monkeypatch.setenv("INTERESTFLOW_ENCODER", "hashing")
    monkeypatch.setenv("INTERESTFLOW_DIMENSIONS", "16")
    path = tmp_path / "f.safetensors"
    ran = CliRunner().invoke(app, ["fit", "fusion", "--output", str(path), "--seed", "3"])
    assert ran.exit_code == 0, ran.output
    first, late, projected, gated, last = ran.stdout.splitlines()
    assert first.startswith("fusion: items=60 unreadable=0 pairs=")
    for name, line in (("late", late), ("projected", projected), ("gated", gated)):
        assert re.fullmatch(rf"{name}: loss=\d+\.\d+ recall@10=[01]\.\d+ held_out=\d+", line)
    fusion = GatedFusion.load(path)
    assert last == f"{path}: version {fusion.version}. Set INTERESTFLOW_FUSION={path}"
    assert fusion.metadata["seed"] == 3
    records["behavior.events.v1"] = records["behavior.events.v1"][:100]
    ran = CliRunner().invoke(app, ["fit", "fusion", "--output", str(path)])
    assert (ran.exit_code, "are too few" in ran.stderr) == (1, True)
    records["behavior.events.v1"] = records["behavior.events.v1"][:1]
    ran = CliRunner().invoke(app, ["fit", "fusion", "--output", str(path)])
    assert (ran.exit_code, "behavior.events.v1 holds no event" in ran.stderr) == (1, True)
