"""What was shown to users, and what became of it, by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.interest.base import Longs
from streams.kernels.rings import DISPLACED, IGNORED, SHOWN, USED
from streams.state.users.layout import SHOWN_DTYPE

_NAMES = {SHOWN: "shown", USED: "used", IGNORED: "ignored", DISPLACED: "displaced"}
# By number.
OUTCOMES = tuple(_NAMES[number] for number in range(len(_NAMES)))


def _none() -> Any:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of m impressions, in the order of the log.

    outcomes: (m,) numbers of OUTCOMES. rows: (m,) of their users. offsets: (m,) of the events that said so.
    impressions: (m,) of SHOWN_DTYPE.
    """

    outcomes: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    rows: Longs = field(default_factory=_none)
    offsets: Longs = field(default_factory=_none)
    impressions: Any = field(default_factory=lambda: np.zeros(0, dtype=SHOWN_DTYPE))

    def __len__(self) -> int:
        return len(self.outcomes)

    def only(self, chosen: npt.NDArray[Any]) -> Joined:
        """Those that are chosen, by a mask (m,) or by indices."""
        return Joined(
            self.outcomes[chosen], self.rows[chosen], self.offsets[chosen], self.impressions[chosen]
        )

    @classmethod
    def of(cls, runs: Sequence[Joined]) -> Joined:
        """What runs of one batch said, one after the other."""
        some = [run for run in runs if len(run)]
        if len(some) <= 1:
            return some[0] if some else NOTHING_JOINED
        return cls(
            np.concatenate([run.outcomes for run in some]),
            np.concatenate([run.rows for run in some]),
            np.concatenate([run.offsets for run in some]),
            np.concatenate([run.impressions for run in some]),
        )


NOTHING_JOINED = Joined()
