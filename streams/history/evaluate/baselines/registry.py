"""Every baseline by name, and how one is made."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

from streams.history.evaluate.baselines.base import Baseline
from streams.history.evaluate.baselines.content import Content, Vectors
from streams.history.evaluate.baselines.counting.chance import Random
from streams.history.evaluate.baselines.counting.own import OwnFrequency
from streams.history.evaluate.baselines.counting.popularity import DecayedPopularity, Popularity
from streams.history.evaluate.baselines.factors.als import ImplicitALS
from streams.history.evaluate.baselines.factors.bpr import OnlineBPR
from streams.history.evaluate.baselines.factors.ease import Ease
from streams.history.evaluate.baselines.factors.ratings import OnlineRatings
from streams.history.evaluate.baselines.neighbours.co_visitation import CoVisitation, WholeCoVisitation
from streams.history.evaluate.baselines.neighbours.item_knn import ItemKNN
from streams.history.evaluate.baselines.neighbours.sessions import SessionKNN
from streams.history.evaluate.baselines.neighbours.tifu_knn import TifuKNN
from streams.settings.errors import UserError

_ALL: tuple[type[Baseline], ...] = (
    *(Random, Popularity, DecayedPopularity, OwnFrequency),
    *(ItemKNN, CoVisitation, WholeCoVisitation, SessionKNN, TifuKNN),
    *(ImplicitALS, Ease, OnlineBPR, OnlineRatings, Content),
)
BASELINES: dict[str, type[Baseline]] = {one.name: one for one in _ALL}
# A refitted baseline is fitted so often in a stream.
REFITS = 20


def require(name: str) -> None:
    """Raises UserError where there is no such baseline, or a library that it needs cannot be loaded."""
    if name not in BASELINES:
        raise UserError(f"no baseline {name!r}; there are: {', '.join(BASELINES)}")
    for module, brought in BASELINES[name].needs.items():
        try:
            import_module(module)
        except ImportError as error:
            raise UserError(f"{name} needs {module} ({error}): {brought}") from error


def build_baseline(
    name: str,
    items: int,
    visits: int,
    seed: int = 0,
    vectors: Vectors | None = None,
    **parameters: Any,
) -> Baseline:
    """A baseline at the beginning of a stream.

    items: rows of the catalog. visits: how many the whole stream has; by it alone is known when to refit. vectors:
    (items, dim) for `decayed_content`. parameters: as `tune` gives them; defaults for the others. Raises UserError.
    """
    require(name)
    known = {one.name for one in fields(BASELINES[name])}
    if unknown := parameters.keys() - known:
        raise UserError(f"{name} has no parameter {', '.join(sorted(unknown))}")
    if "refit_visits" in known:
        parameters.setdefault("refit_visits", max(1, visits // REFITS))
    if "vectors" in known:
        if vectors is None:
            raise UserError(f"{name} needs the items' vectors: choose an encoder")
        parameters["vectors"] = vectors
    return BASELINES[name](items=items, seed=seed, **parameters)
