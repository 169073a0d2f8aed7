"""What a comment thinks of what it is about: one number per text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]


class Sentiment(Protocol):
    """Texts to scores; `encoders.core.base.identity` and `counts` take one, too."""

    @property
    def id(self) -> str:
        """Name of the model."""
        ...

    @property
    def revision(self) -> str:
        """Hash of all that decides the scores: equal revisions give equal scores."""
        ...

    def score(self, texts: Sequence[str]) -> Scores:
        """Float32 (n,), in the texts' order: -1 a complaint, 0 neutral or not understood, 1 praise. A text's score
        does not depend on its batch beyond 1e-6. Raises EncoderError."""
        ...
