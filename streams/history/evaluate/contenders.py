"""Contenders by name: the recommenders that run in a worker, and the methods that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from streams.history.evaluate.baselines.registry import BASELINES, build_baseline
from streams.history.evaluate.baselines.registry import require as require_baseline
from streams.history.evaluate.baselines.search import choices
from streams.history.evaluate.contender import Contender
from streams.history.evaluate.judge import Task
from streams.history.evaluate.live.contender import Circumstances, LiveContender
from streams.history.evaluate.live.space import Space
from streams.history.evaluate.live_tuning import with_values
from streams.history.evaluate.tuning import Search, tune
from streams.history.evaluate.visits import Stream
from streams.settings.errors import UserError, did_you_mean
from streams.settings.registries import RECOMMENDERS


class EvaluateError(UserError):
    """What was asked for cannot be judged; the message says why."""


def known_names() -> list[str]:
    """All contenders' names. A name that both have is that of a recommender."""
    return list(dict.fromkeys((*RECOMMENDERS, *BASELINES)))


def require(names: list[str]) -> None:
    """Raises EvaluateError where a contender does not exist or is named twice, UserError where it cannot be run."""
    for name in names:
        if name not in known_names():
            meant = did_you_mean(name, known_names())
            raise EvaluateError(f"no recommender {name!r}.{meant} There are: {', '.join(known_names())}")
        if not lives(name):
            require_baseline(name)
    if len(set(names)) < len(names):
        raise EvaluateError("a recommender is named twice: name each once")


def lives(name: str) -> bool:
    """True for a recommender that a worker may run."""
    return name in RECOMMENDERS


def needs_vectors(name: str) -> bool:
    """True for a contender that reads the items' vectors."""
    return lives(name) or "vectors" in BASELINES[name].__dataclass_fields__


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes contenders for one stream. space: None where no contender needs vectors."""

    stream: Stream
    task: Task
    seed: int
    space: Space | None
    circumstances: Circumstances

    def build(self, name: str, parameters: Mapping[str, Any]) -> Contender:
        """The contender of this name. parameters: of a baseline, its defaults for the others; of a recommender that a
        worker may run, settings. Raises TuneError where they are wrong."""
        stream, space = self.stream, self.space
        if not lives(name):
            vectors = None if space is None else space.vectors
            visits = len(stream.visits)
            return build_baseline(name, len(stream.items), visits, self.seed, vectors, **parameters)
        if space is None:
            raise ValueError(f"{name} needs the items' vectors")
        if parameters:
            space = replace(space, settings=with_values(space.settings, parameters))
        return LiveContender(name, space, stream.items, self.circumstances)

    def tuned(self, name: str, how: Search, progress: Callable[[int, int], None]) -> Mapping[str, Any]:
        """The parameters of a baseline that did best in the first half; none where there is nothing to choose."""
        if not choices(BASELINES[name]):
            return {}
        vectors = None if self.space is None else self.space.vectors
        return tune(name, self.stream.first_half(), self.task, how, vectors, progress).best.values
