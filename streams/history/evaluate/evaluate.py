"""`interestflow evaluate`: contenders judged on a stream, and the report of it."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streams.history.evaluate.contenders import EvaluateError, lives, require
from streams.history.evaluate.judged import Judged
from streams.history.evaluate.live_tuning import with_values
from streams.history.evaluate.report.findings import Findings
from streams.history.evaluate.report.page import page
from streams.history.evaluate.report.pictures import draw
from streams.history.evaluate.run import Plan, Run, told
from streams.history.evaluate.tradeoffs.varying import Entrant, curves, entrants
from streams.settings.settings import Settings

PAGE, FILE = "report.md", "report.json"
# In place of a reference's name: the method to compare with that did best.
BEST = "best"


def evaluate(settings: Settings, plan: Plan) -> Findings:
    """Judge, with progress on standard error, and write the report. Results are kept in the folder and read again.

    Raises EvaluateError, VaryError, TuneError, DatasetError, SettingsError, EncoderError.
    """
    entered = _entered(settings, plan)
    labels = [one.label for one in entered]
    reference = plan.reference or labels[0]
    if reference not in (*labels, BEST):
        raise EvaluateError(f"the reference {reference!r} is not judged: name it with --recommender, too")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        with told(bar, "events") as tell:
            stream = plan.source.stream(settings, plan.limit, tell)
        _make(plan.out)
        outcomes = Run(settings, plan, entered, stream, bar).outcomes()
    all_judged = [judged for judged, _ in outcomes]
    if not len(all_judged[0]):
        raise EvaluateError("the second half holds no target: give more events, or another task")
    about = {**_about(plan), "items": len(stream.items), "users": stream.users, "visits": len(stream.visits)}
    chosen = {judged.name: parameters for judged, parameters in outcomes}
    methods = {one.label for one in entered if not lives(one.name)}
    compared = best_method(all_judged, methods) if reference == BEST else reference
    findings = Findings.of(about, all_judged, compared, plan.seed, chosen, curves(entered))
    write(findings, plan.out)
    return findings


def _entered(settings: Settings, plan: Plan) -> list[Entrant]:
    """Who is judged. Raises EvaluateError, VaryError, and TuneError where the settings do not allow a value."""
    require(plan.names)
    found = entrants(plan.names, [name for name in plan.names if lives(name)], plan.vary)
    for one in found:
        with_values(settings, one.values)
    return found


def best_method(all_judged: Sequence[Judged], methods: Container[str]) -> str:
    """Of the methods to compare with, the one of the highest NDCG@10; of all contenders where none is judged.

    methods: names of these methods.
    """
    compared = [judged for judged in all_judged if judged.name in methods] or all_judged
    return max(compared, key=lambda judged: judged.per_target("gain")).name


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
        "dataset": plan.source.name,
        "task": plan.task,
        "k": plan.k,
        "seed": plan.seed,
        "limit": plan.limit,
        "delay": plan.delay or None,
        "frozen": plan.frozen,
        "asked": "after the last visit" if plan.after_visit else None,
        "tuning trials": plan.tune or None,
    }


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluateError(f"{folder} cannot be made ({error}): give --out another folder") from error
