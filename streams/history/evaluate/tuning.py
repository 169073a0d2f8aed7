"""The search for good parameters on the first half of a stream: the second is never seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from streams.history.evaluate.baselines.content import Vectors
from streams.history.evaluate.baselines.registry import BASELINES, build_baseline
from streams.history.evaluate.baselines.search import Between, Choice, OneOf, choices
from streams.history.evaluate.judge import Judge, Task
from streams.history.evaluate.visits import Stream
from streams.settings.errors import UserError

Method = Literal["random", "grid", "bayesian"]
Values = dict[str, Any]
# Points of a range in a grid.
POINTS = 3
# Trials of a Bayesian search that are drawn by chance before any is learned from.
FIRST_DRAWN = 4
# A trial asks about so many visits or a few more, evenly spread: enough to tell parameters apart.
QUESTIONS = 5000


@dataclass(frozen=True, slots=True)
class Search:
    """How to search. The first trial is of the defaults, so the best is never worse than these.

    random: draws evenly, or evenly by size where a range says so. grid: all combinations of three points of a range
    and of a choice's values, in a drawn order, as far as the trials go. bayesian: Optuna's TPE.
    """

    method: Method = "random"
    trials: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"a search needs at least one trial, not {self.trials}")


@dataclass(frozen=True, slots=True)
class Trial:
    """values: what was tried, by name; what is absent had its default. score: higher is better."""

    values: Values
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """trials: in order, the first of the defaults."""

    trials: list[Trial]

    @property
    def best(self) -> Trial:
        """The one with the highest score, of equals the first; NaN is below all."""
        return max(self.trials, key=lambda trial: -np.inf if np.isnan(trial.score) else trial.score)


def search(
    space: Mapping[str, Choice],
    score: Callable[[Values], float],
    how: Search,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Try values and keep what they scored. progress: is told how many trials of how many are done.

    Raises UserError where a Bayesian search finds no Optuna.
    """
    trials = [Trial({}, score({}))]
    progress(1, how.trials)
    if not space:
        return Found(trials)
    ask = _bayesian(space, how, trials) if how.method == "bayesian" else _listed(space, how)
    for values in ask:
        trials.append(Trial(values, score(values)))
        progress(len(trials), how.trials)
    return Found(trials)


def _listed(space: Mapping[str, Choice], how: Search) -> Iterator[Values]:
    """Values that do not depend on what came of those before."""
    rng = np.random.default_rng(how.seed)
    if how.method == "grid":
        grid = list(product(*(_points(choice) for choice in space.values())))
        for place in rng.permutation(len(grid))[: how.trials - 1].tolist():
            yield dict(zip(space, grid[place], strict=True))
    else:
        for _ in range(how.trials - 1):
            yield {name: _drawn(choice, rng) for name, choice in space.items()}


def _bayesian(space: Mapping[str, Choice], how: Search, trials: list[Trial]) -> Iterator[Values]:
    """Values that Optuna takes for good. trials: what was scored so far, the caller's; it tells what was yielded."""
    try:
        import optuna
    except ImportError as error:
        message = "a Bayesian search needs Optuna: install it with `pip install 'interestflow[evaluate]'`"
        raise UserError(message) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=how.seed, n_startup_trials=FIRST_DRAWN)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(how.trials - 1):
        trial = study.ask()
        yield {name: _suggested(trial, name, choice) for name, choice in space.items()}
        study.tell(trial, np.nan_to_num(trials[-1].score, nan=0.0))


def _suggested(trial: Any, name: str, choice: Choice) -> Any:
    if isinstance(choice, OneOf):
        return trial.suggest_categorical(name, choice.values)
    if choice.whole:
        return trial.suggest_int(name, int(choice.low), int(choice.high), log=choice.log)
    return trial.suggest_float(name, choice.low, choice.high, log=choice.log)


def _drawn(choice: Choice, rng: np.random.Generator) -> Any:
    if isinstance(choice, OneOf):
        return choice.values[int(rng.integers(len(choice.values)))]
    return _between(choice, float(rng.random()))


def _points(choice: Choice) -> list[Any]:
    if isinstance(choice, OneOf):
        return list(choice.values)
    return [_between(choice, share) for share in np.linspace(0.0, 1.0, POINTS).tolist()]


def _between(choice: Between, share: float) -> float | int:
    """The value that stands at this share, 0 to 1, of a range."""
    if choice.log:
        value = float(choice.low * (choice.high / choice.low) ** share)
    else:
        value = choice.low + (choice.high - choice.low) * share
    value = min(max(value, choice.low), choice.high)
    return round(value) if choice.whole else value


def tune(
    baseline: str,
    first_half: Stream,
    task: Task,
    how: Search,
    vectors: Vectors | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Search a baseline's parameters. The score is NDCG@10 per target.

    first_half: `Stream.first_half()`: of it the first half is learned only, the second is scored. vectors: (items,
    dim) for `decayed_content`. progress: is told how many trials of how many are done. Raises UserError as
    `build_baseline`.
    """
    # It is refitted as often as it will be in the whole stream, of which this is half.
    visits = 2 * len(first_half.visits)
    every = max(1, (len(first_half.visits) - first_half.half) // QUESTIONS)

    def score(values: Values) -> float:
        contender = build_baseline(baseline, len(first_half.items), visits, how.seed, vectors, **values)
        return Judge(first_half, task, every=every).run(contender).per_target("gain")

    return search(choices(BASELINES[baseline]) if baseline in BASELINES else {}, score, how, progress)
