"""`interestflow evaluate`: contenders judged on a data set, and the report of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streams.history.evaluate.contenders import Builder, EvaluateError, lives, needs_vectors, require
from streams.history.evaluate.judge import Judge, Task
from streams.history.evaluate.judged import Judged
from streams.history.evaluate.live.contender import Circumstances
from streams.history.evaluate.live.questions import Frozen
from streams.history.evaluate.live.space import Space, build_space
from streams.history.evaluate.live_tuning import with_values
from streams.history.evaluate.report.findings import Findings
from streams.history.evaluate.report.page import page
from streams.history.evaluate.report.pictures import draw
from streams.history.evaluate.tradeoffs.lists import ListKinds
from streams.history.evaluate.tradeoffs.varying import Entrant, curves, entrants
from streams.history.evaluate.tuning import Method, Search
from streams.history.evaluate.visits import Stream, read_stream
from streams.settings.settings import Settings

PAGE, FILE = "report.md", "report.json"
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to judge. names: of the contenders, at least one. out: folder of the report. limit: events at most.

    reference: to which the others are compared; the first contender by default. delay, frozen: see Circumstances.
    tune: trials by which each baseline's parameters are chosen on the first half; 0 for the defaults.
    method: of that search. vary: settings of the recommenders that a worker may run, as `NAME=VALUE,VALUE`.
    """

    dataset: str
    path: Path
    task: Task
    names: list[str]
    out: Path
    k: int = 20
    seed: int = 0
    limit: int | None = None
    delay: int = 0
    frozen: Frozen | None = None
    reference: str | None = None
    tune: int = 0
    method: Method = "random"
    vary: tuple[str, ...] = ()


def evaluate(settings: Settings, plan: Plan) -> Findings:
    """Judge, with progress on standard error, and write the report.

    Raises EvaluateError, VaryError, TuneError, DatasetError, SettingsError, EncoderError.
    """
    require(plan.names)
    judged = entrants(plan.names, [name for name in plan.names if lives(name)], plan.vary)
    labels = [one.label for one in judged]
    reference = plan.reference or labels[0]
    if reference not in labels:
        raise EvaluateError(f"the reference {reference!r} is not judged; what is: {', '.join(labels)}")
    _make(plan.out)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        with _told(bar, "events") as told:
            stream = read_stream(settings, plan.dataset, plan.path, plan.limit, told)
        all_judged, chosen = _judge_all(settings, plan, judged, stream, bar)
    if not len(all_judged[0]):
        raise EvaluateError("the second half holds no target: give more events, or another task")
    about = {**_about(plan), "items": len(stream.items), "users": stream.users, "visits": len(stream.visits)}
    findings = Findings.of(about, all_judged, reference, plan.seed, chosen, curves(judged))
    write(findings, plan.out)
    return findings


def _judge_all(
    settings: Settings, plan: Plan, entered: Sequence[Entrant], stream: Stream, bar: Progress
) -> tuple[list[Judged], dict[str, Mapping[str, Any]]]:
    """In their order, one after the other, so that costs are told apart; and the parameters of each."""
    space: Space | None = None
    if any(map(needs_vectors, plan.names)):
        with _told(bar, "items") as told:
            space = build_space(settings, stream.items, plan.out, told)
    circumstances = Circumstances(plan.task == "all", plan.delay, plan.frozen)
    builder = Builder(stream, plan.task, plan.seed, space, circumstances)
    found, parameters = list[Judged](), dict[str, Mapping[str, Any]]()
    vectors, groups = None if space is None else space.vectors, _groups(settings, entered)
    for one in entered:
        parameters[one.label] = one.values
        if plan.tune and not lives(one.name):
            with _told(bar, f"{one.label}, tuning") as told:
                parameters[one.label] = builder.tuned(
                    one.name, Search(plan.method, plan.tune, plan.seed), told
                )
        with _told(bar, one.label) as told:
            contender = builder.build(one.name, parameters[one.label])
            kinds = ListKinds(stream.items, vectors, groups)
            judged = Judge(stream, plan.task, plan.k, progress=told, kinds=kinds).run(contender)
            found.append(replace(judged, name=one.label))
    return found, parameters


def _groups(settings: Settings, entered: Sequence[Entrant]) -> list[str]:
    """The groups of items that any contender has a floor for."""
    wanted = [with_values(settings, one.values) if one.values else settings for one in entered]
    return list(dict.fromkeys(group for own in wanted for group in own.ranking.floor_shares()))


def write(findings: Findings, folder: Path) -> None:
    """The page, the file for programs, and the pictures where matplotlib is installed."""
    try:
        pictures = draw(findings, folder)
    except ImportError:
        Console(stderr=True).print(
            "no pictures: pip install 'interestflow[evaluate]' brings matplotlib", markup=False
        )
        pictures = []
    (folder / FILE).write_text(json.dumps(findings.as_json(), indent=1, ensure_ascii=False) + "\n")
    (folder / PAGE).write_text(page(findings, pictures))


def _about(plan: Plan) -> dict[str, str | int | None]:
    return {
        "dataset": plan.dataset,
        "task": plan.task,
        "k": plan.k,
        "seed": plan.seed,
        "limit": plan.limit,
        "delay": plan.delay or None,
        "frozen": plan.frozen,
        "tuning trials": plan.tune or None,
    }


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluateError(f"{folder} cannot be made ({error}): give --out another folder") from error


@contextmanager
def _told(bar: Progress, what: str) -> Iterator[Told]:
    """A bar of this name."""
    task = bar.add_task(what, total=None)
    yield lambda done, total: bar.update(task, completed=done, total=total)
