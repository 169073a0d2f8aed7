"""`interestflow tune`: the settings of a worker searched on the first half of a stream, judged on the second."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streams.history.evaluate.baselines.registry import BASELINES
from streams.history.evaluate.baselines.search import Between, Choice, OneOf
from streams.history.evaluate.judge import Judge, Task
from streams.history.evaluate.judged import Judged
from streams.history.evaluate.live.contender import Circumstances, LiveContender
from streams.history.evaluate.live.space import Space, build_space
from streams.history.evaluate.report.intervals import Interval, intervals
from streams.history.evaluate.tuning import Found, Search, Values, search
from streams.history.evaluate.visits import Stream, read_stream
from streams.settings.errors import UserError
from streams.settings.registries import RECOMMENDERS
from streams.settings.settings import PLACES, Settings

DAY_S = 86_400.0
DEFAULTS, TUNED = "defaults", "tuned"
# What a trial may change: settings on which neither the visits nor the items' vectors depend, which all trials share,
# and which the judge does not set itself, as it does `exclude_consumed` and `learn_items`.
SECTIONS, BESIDE = ("interest", "ranking"), ("history_length",)
# What is searched where nothing is asked for, of every recommender and of `hybrid` beside.
SEARCHED: dict[str, Choice] = {
    "short_half_life": Between(1.0, 100.0, log=True),
    "long_half_life": Between(DAY_S, 365 * DAY_S, log=True),
    "short_share": Between(0.0, 1.0),
}
LEARNED: dict[str, Choice] = {
    "history_length": OneOf((16, 64, 256, 1024)),
    "ranking_rate": Between(0.005, 0.5, log=True),
    "ranking_segment_rate": Between(0.002, 0.2, log=True),
}
# The ranges of half-lives where their unit is another than the default.
OTHER_UNITS: dict[str, Choice] = {
    "short_half_life": Between(600.0, 30 * DAY_S, log=True),
    "long_half_life": Between(5.0, 1000.0, log=True),
}


class TuneError(UserError):
    """What was asked for cannot be searched; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to tune. recommender: a worker's. out: the TOML file. limit: events at most.

    wanted: what to search, as `short_share=0:1`, `history_length=16,32`; by default as `space_of` says. judged: judge
    defaults and best on the second half, too.
    """

    dataset: str
    path: Path
    task: Task
    recommender: str
    out: Path
    how: Search
    wanted: tuple[str, ...] = ()
    limit: int | None = None
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """found: on the first half. ndcg: of `defaults` and `tuned` on the second half, and ratio: of `tuned` to
    `defaults`; empty where that was not asked for or the defaults are best."""

    found: Found
    ndcg: Mapping[str, Interval] = field(default_factory=dict)
    ratio: Mapping[str, Interval] = field(default_factory=dict)


def tune_live(settings: Settings, plan: Plan) -> Outcome:
    """Search, with progress on standard error, and write the best settings.

    Raises TuneError, RegistryError, DatasetError, SettingsError, EncoderError.
    """
    require(plan.recommender)
    settings = settings.model_copy(update={"recommender": plan.recommender})
    space = space_of(settings, plan.wanted)
    if not plan.out.parent.is_dir():
        raise TuneError(f"the folder {plan.out.parent} does not exist: make it, or give --out another file")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        stream = read_stream(settings, plan.dataset, plan.path, plan.limit, _bar(bar, "events"))
        vectors = build_space(settings, stream.items, plan.out.parent, _bar(bar, "items"))
        first = stream.first_half()

        def score(values: Values) -> float:
            return _score(_judge(vectors, first, plan, values))

        found = search(space, score, plan.how, _bar(bar, "trials"))
        write_settings(plan, vectors.settings, found)
        if not plan.judged or not found.best.values:
            return Outcome(found)
        told = _bar(bar, "second half")
        told(0, 2)
        judged = [replace(_judge(vectors, stream, plan, {}), name=DEFAULTS)]
        told(1, 2)
        judged.append(replace(_judge(vectors, stream, plan, found.best.values), name=TUNED))
        told(2, 2)
    return Outcome(found, *intervals(judged, DEFAULTS, plan.how.seed))


def require(recommender: str) -> None:
    """Raises TuneError or RegistryError where it is none that a worker may run: it has no settings."""
    if recommender in BASELINES and recommender not in RECOMMENDERS:
        raise TuneError(
            f"{recommender} is a method to compare with, which has no settings of a worker: `interestflow evaluate "
            f"--recommender {recommender} --tune 8` tunes it. For this name one of: {', '.join(RECOMMENDERS)}"
        )
    RECOMMENDERS.require(recommender)


def _bar(bar: Progress, what: str) -> Callable[[int, int], None]:
    task = bar.add_task(what, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def _judge(space: Space, stream: Stream, plan: Plan, values: Values) -> Judged:
    changed = replace(space, settings=with_values(space.settings, values))
    circumstances = Circumstances(repeats=plan.task == "all")
    contender = LiveContender(plan.recommender, changed, stream.items, circumstances)
    return Judge(stream, plan.task).run(contender)


def _score(judged: Judged) -> float:
    if isnan(found := judged.per_target("gain")):
        raise TuneError("the first half holds no target: give more events, or another task")
    return found


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with other values, by flat name. Raises TuneError where they do not allow one."""
    try:
        return Settings(**{**settings.flat(), **values})
    except ValidationError as error:
        told = "; ".join(str(one["msg"]) for one in error.errors())
        # `values` may be right: then the given settings are not.
        given = {str(place): one["input"] for one in error.errors() for place in one["loc"][-1:]}
        shown = ", ".join(f"{name} {value}" for name, value in (values or given).items())
        raise TuneError(f"the settings do not allow {shown}: {told}") from error


def space_of(settings: Settings, wanted: tuple[str, ...]) -> dict[str, Choice]:
    """What to search. wanted: as in `Plan`; by default the half-lives and, of `hybrid`, its rates and the length of
    history. Raises TuneError."""
    if wanted:
        found = dict(map(parse, wanted))
        for name, choice in found.items():
            ends = choice.values if isinstance(choice, OneOf) else (choice.low, choice.high)
            for value in ends:
                with_values(settings, {name: value})
        return found
    found = dict(SEARCHED)
    interest = settings.interest
    if interest.short_half_life_unit == "seconds":
        found["short_half_life"] = OTHER_UNITS["short_half_life"]
    if interest.long_half_life_unit == "events":
        found["long_half_life"] = OTHER_UNITS["long_half_life"]
    return found | LEARNED if settings.recommendations.recommender == "hybrid" else found


def parse(text: str) -> tuple[str, Choice]:
    """A setting's flat name and what to choose: `name=low:high`, `name=low:high:log` or `name=value,value`.

    Whole numbers where both bounds are. Raises TuneError.
    """
    name, equals, rest = text.partition("=")
    if not equals or not rest:
        raise TuneError(f"{text!r}: write NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=VALUE,VALUE")
    if name not in (known := changeable()):
        raise TuneError(f"{name!r} cannot be searched; what can: {', '.join(known)}")
    if ":" not in rest:
        return name, OneOf(tuple(map(value_of, rest.split(","))))
    low, high, *kind = (part.strip() for part in rest.split(":"))
    numbers = value_of(low), value_of(high)
    if kind not in ([], ["log"]) or not all(type(one) in (int, float) for one in numbers):
        raise TuneError(f"{text!r}: write NAME=LOW:HIGH or NAME=LOW:HIGH:log with two numbers")
    if not numbers[0] <= numbers[1] or (kind and numbers[0] <= 0):
        raise TuneError(f"{text!r}: LOW must not be above HIGH, and above 0 with log")
    return name, Between(*numbers, log=bool(kind), whole=all(isinstance(one, int) for one in numbers))


def changeable() -> list[str]:
    """Flat names of the settings that a trial may change, sorted."""
    return sorted([*BESIDE, *(flat for flat, (section, _) in PLACES.items() if section in SECTIONS)])


def value_of(text: str) -> Any:
    """A number or true or false where it reads like one, else the text."""
    try:
        return json.loads(text.strip())
    except ValueError:
        return text.strip()


def write_settings(plan: Plan, settings: Settings, found: Found) -> None:
    """Write the best values as a file that `interestflow worker --config` takes. settings: those of the trials."""
    best = found.best
    # With what `LiveContender` sets whatever the settings say, so that the worker is the one that was judged.
    values: dict[str, Any] = {"recommender": plan.recommender, **best.values}
    values["exclude_consumed"] = plan.task != "all"
    if plan.recommender == "hybrid":
        values["learn_items"] = True
    if settings.encoder.projection is not None:
        values["projection"] = str(settings.encoder.projection)
    lines = [
        f"# The best of {len(found.trials)} trials ({plan.how.method}, seed {plan.how.seed}) on the first half of "
        f"{plan.dataset}, task {plan.task}:",
        f"# NDCG@10 {best.score:.5f}; the defaults have {found.trials[0].score:.5f}.",
        *(f"{name} = {json.dumps(value)}" for name, value in values.items()),
    ]
    try:
        plan.out.write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise TuneError(f"{plan.out} cannot be written ({error}): give --out another file") from error
