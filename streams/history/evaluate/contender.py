"""What the judge asks of a method, and what it tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from streams.events.canonical import Event

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Request:
    """What does this user use next? Nothing of the visit that is asked about is in it.

    user: 0, 1, … by first appearance. time: milliseconds since the epoch. known: number of items that were in a visit
    before. exclude: (e,) catalog rows that must not be named, each once.
    """

    user: int
    time: int
    known: int
    exclude: Rows


@dataclass(frozen=True, slots=True)
class Visit:
    """All that one user used at one time: at least one item, but for contenders that fold events.

    rows: (n,) distinct catalog rows, in the order of the log. weights: (n,) float32, the signed weights by the action
    rules, of several events on one item their sum. values: (n,) float32, the item's newest rating or quantity; NaN for
    none. chosen: (n,) true where the user chose the item, whatever was said of it after: a film that was rated low was
    chosen, a return was not. events: the canonical events themselves, for a contender that folds events.
    """

    user: int
    time: int
    rows: Rows
    weights: Floats
    values: Floats
    chosen: Mask
    events: Sequence[Event] = ()


class Contender(Protocol):
    """A method that ranks items for a user and learns from each visit once it was judged.

    Catalog rows are the places in the data set's list of items. The judge asks about visits in time order. It asks
    about all visits of one time before it shows any of them. One with an attribute `folds_events` that is true is shown
    visits without items too.
    """

    name: str

    def rank(self, request: Request, k: int) -> Rows:
        """(<= k,) distinct catalog rows, best first: of items that a visit held before, none that is excluded."""
        ...

    def learn(self, visit: Visit) -> None:
        """Take in what the user did."""
        ...


@runtime_checkable
class Rater(Protocol):
    """A contender that foretells ratings too."""

    def predict(self, user: int, row: int) -> float:
        """The value that the user will give the item, finite."""
        ...
