"""What every encoder promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class EncoderError(RuntimeError):
    """An encoder cannot be loaded or cannot encode; the message says what to do."""


class Versioned(Protocol):
    """A model that says which one it is."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> str: ...


class Encoder(Protocol):
    """Texts into one vector space."""

    @property
    def id(self) -> str:
        """Name of the model."""
        ...

    @property
    def revision(self) -> str:
        """Hash of all that decides the vectors: equal revisions mean one space."""
        ...

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Float32 (B, dim), unit rows, in the texts' order. A text's vector does not depend on its batch
        beyond 1e-6. Raises EncoderError."""
        ...


def encodable(texts: Iterable[str]) -> list[str]:
    """The texts, with a question mark for each lone surrogate: it has no UTF-8 form, and a tokenizer or server would
    refuse a whole batch for it."""
    return [text.encode("utf-8", "replace").decode() for text in texts]


def identity(model: Versioned) -> str:
    """`id@revision`: what a stored vector says of the space that it is of."""
    return f"{model.id}@{model.revision}"


def counts(encoder: object) -> dict[str, Mapping[str, int]]:
    """What an encoder and those that it wraps have counted so far: name -> kind -> count.

    An encoder that counts has a method `counts`; one that wraps another has it as `inner`.
    """
    return _gathered(encoder, "counts")


def timings(encoder: object) -> dict[str, Mapping[str, float]]:
    """The same of the seconds that they have spent, by the method `timings`: name -> step -> seconds."""
    return _gathered(encoder, "timings")


def _gathered(encoder: object, method: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    layer: Any = encoder
    while layer is not None:
        if hasattr(layer, method):
            found |= getattr(layer, method)()
        layer = getattr(layer, "inner", None)
    return found


def layers(encoder: object) -> Iterator[Any]:
    """An encoder and those that it wraps, the outermost first."""
    layer: Any = encoder
    while layer is not None:
        yield layer
        layer = getattr(layer, "inner", None)


def close(encoder: Encoder) -> None:
    """End what an encoder and those that it wraps hold (threads, connections): theirs that have a method `close`."""
    for layer in layers(encoder):
        if hasattr(layer, "close"):
            layer.close()
