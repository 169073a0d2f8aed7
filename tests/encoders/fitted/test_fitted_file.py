"""What is said of a file that is none, whatever it should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from encoders.core.base import EncoderError
from encoders.fitted.fusion import FusionError, GatedFusion, fit_projected
from encoders.fitted.lda import TopicEncoder
from encoders.fitted.projection import Projection, ProjectionError
from encoders.media.content import PICTURE, TEXT


class Kind(NamedTuple):
    """made: something that can be saved."""

    made: Callable[[], Any]
    load: Callable[[Path], Any]
    error: type[Exception]


def units(width: int) -> Any:
    rows = np.random.default_rng(width).standard_normal((60, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def fusion() -> GatedFusion:
    media = {TEXT: units(8), PICTURE: units(6)}
    return fit_projected(media, dict.fromkeys(media, 1.0), 5, dict.fromkeys(media, "somewhere@1"))


KINDS = {
    "projection": Kind(lambda: Projection.fit(units(8), 5), Projection.load, ProjectionError),
    "fusion": Kind(fusion, GatedFusion.load, FusionError),
    "topics": Kind(
        lambda: TopicEncoder(["mug", "red"], np.full((3, 2), 0.5), 0.1), TopicEncoder.load, EncoderError
    ),
}
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda data: data[: len(data) // 2], "cannot be read"),
    "flipped": (lambda data: data[:-5] + bytes([data[-5] ^ 0x40]) + data[-4:], "is damaged"),
    "other": (lambda data: b"hello", "cannot be read"),
}


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_file_says_so_and_what_to_do(tmp_path: Path, name: str, damage: str) -> None:
    kind, path = KINDS[name], tmp_path / "deep" / "file.safetensors"
    kind.made().save(path)
    kind.load(path)
    change, said = DAMAGES[damage]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(kind.error, match=f"{said}.*interestflow fit {name}"):
        kind.load(path)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_file_that_is_not_there_or_of_another_kind(tmp_path: Path, name: str) -> None:
    with pytest.raises(KINDS[name].error, match=f"does not exist: .*interestflow fit {name}"):
        KINDS[name].load(tmp_path / "none")
    for other in KINDS.keys() - {name}:
        KINDS[other].made().save(tmp_path / other)
        with pytest.raises(KINDS[name].error, match=f"is no {name}: .*interestflow fit {name}"):
            KINDS[name].load(tmp_path / other)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_file_is_for_whoever_may_read_new_files(tmp_path: Path, name: str) -> None:
    path, other = tmp_path / "file.safetensors", tmp_path / "other"
    other.touch()
    KINDS[name].made().save(path)
    assert path.stat().st_mode == other.stat().st_mode
