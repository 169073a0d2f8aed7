"""Fitting the projection from a real, compacted topic of several partitions, in several passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from encoders.fitted.projection import Projection
from encoders.text.hashing import HashingEncoder
from streams.kafka.topics import specifications as topics
from streams.learn import fit
from streams.learn.fit import Fit, fit_projection
from streams.learn.sampling import Room, texts
from streams.settings.settings import Settings


def item(number: int, title: str) -> tuple[bytes, bytes]:
    return f"i{number}".encode(), orjson.dumps({"item_id": f"i{number}", "title": title})


def test_each_item_counts_once_as_it_is_now(
    make_settings: Callable[..., Settings],
    produce: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings = make_settings(partitions=3, encoder="hashing", dimensions=16)
    topics.create(settings)
    records: list[tuple[bytes, Any]] = [item(n, f"old{n}") for n in range(0, 500, 2)]
    records += [item(n, f"word{n} kind{n % 7}") for n in range(500)]
    records += [(f"i{n}".encode(), None) for n in range(450, 500)]
    produce(settings.topics.items, records)
    monkeypatch.setattr(fit, "texts", partial(texts, room=Room(items=100)))
    made = fit_projection(settings, tmp_path / "p.safetensors", Fit())
    encoder = HashingEncoder(16)
    expected = Projection.fit(encoder.encode([f"word{n} kind{n % 7}" for n in range(450)]), 16)
    assert made.metadata["rows"] == 450
    np.testing.assert_allclose(made.matrix, expected.matrix, atol=1e-8)
    np.testing.assert_allclose(made.mean, expected.mean, atol=1e-12)
