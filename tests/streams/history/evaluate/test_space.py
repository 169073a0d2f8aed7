from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from encoders.core.base import Vectors, close
from encoders.core.options import EncoderOptions
from streams.catalog.items import Item
from streams.history.evaluate.live.space import build_space
from streams.settings.registries import ENCODERS
from streams.settings.settings import Settings

ITEMS = [Item(f"i{row}", title=f"thing {row}") for row in range(40)]


class Wide:
    """More dimensions than the settings want; counts the texts that it encodes."""

    id, revision, dim = "wide", "1", 24
    encoded: ClassVar[list[str]] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded.extend(texts)
        found = np.array([np.random.default_rng([*map(ord, text)]).random(24) for text in texts])
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def wide(options: EncoderOptions) -> Wide:
    return Wide()


def test_what_is_encoded_to_fit_a_projection_is_kept_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENCODERS.built_in, "wide", f"{__name__}:wide")
    monkeypatch.setattr(Wide, "encoded", [])
    settings = Settings(encoder="wide:any", dimensions=16, encoder_cache_dir=tmp_path / "cache")
    first = build_space(settings, ITEMS, tmp_path)
    close(first.encoder)
    assert len(Wide.encoded) == len(ITEMS)
    second = build_space(settings, ITEMS, tmp_path)
    close(second.encoder)
    assert len(Wide.encoded) == len(ITEMS)
    assert second.vectors.tobytes() == first.vectors.tobytes()
    assert second.name == first.name
