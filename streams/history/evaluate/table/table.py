"""`interestflow evaluate --table`: every contender on every column, beside the best method of the same column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from streams.history.evaluate.evaluate import BEST, FILE, PAGE, evaluate
from streams.history.evaluate.live_tuning import with_values
from streams.history.evaluate.report.findings import Findings
from streams.history.evaluate.report.page import table
from streams.history.evaluate.run import Plan
from streams.history.evaluate.sources.files import DataFiles
from streams.history.evaluate.table.columns import Column
from streams.settings.settings import Settings

MEANING = (
    "Intervals hold 95 % of 10,000 resamples of users, the same for all contenders of a column. The best method is the "
    "method to compare with that has the highest NDCG@10 on the scored half itself: it is chosen to its own advantage."
)


@dataclass(frozen=True, slots=True)
class Table:
    """findings: by the name of the column."""

    findings: Mapping[str, Findings]

    def names(self) -> list[str]:
        """The contenders, by the mean of their ratios to the best method, the best first."""
        each = list(self.findings.values())
        return sorted(each[0].names(), key=lambda name: -sum(one.ratio[name].value for one in each))

    def ndcg(self) -> list[Sequence[str]]:
        """The heading and a line for each contender: NDCG@10 with its interval."""
        lines = [(name, *(str(one.ndcg[name]) for one in self.findings.values())) for name in self.names()]
        return [("NDCG@10", *self.findings), *lines]

    def ratios(self) -> list[Sequence[str]]:
        """The heading and a line for each contender: times the best method of the column, named in the first line."""
        each = self.findings.values()
        best = ("best method", *(one.reference for one in each))
        lines = [(name, *(str(one.ratio[name]) for one in each)) for name in self.names()]
        return [("times the best method", *self.findings), best, *lines]


def evaluate_table(settings: Settings, plan: Plan, columns: Sequence[Column]) -> Table:
    """Judge, with progress on standard error, and write a report of each column and one of all.

    plan: its source, task and limit are each column's own; its reference is `best` unless it says otherwise.
    Raises UserError, as `evaluate`.
    """
    sources = {(one.dataset, one.data): DataFiles(one.dataset, one.data) for one in columns}
    found = {}
    # Before the first of them takes its time.
    changed = [with_values(settings, column.settings) for column in columns]
    for column, own in zip(columns, changed, strict=True):
        source = sources[column.dataset, column.data]
        out, limit = plan.out / column.name, column.limit or plan.limit
        each = replace(plan, source=source, task=column.task, out=out, limit=limit)
        found[column.name] = evaluate(own, replace(each, reference=plan.reference or BEST))
        write(Table(found), plan.out)
    return Table(found)


def write(made: Table, folder: Path) -> None:
    """The page, and the file for programs."""
    lines = [
        "# Contenders on several streams",
        "",
        *table(*made.ratios()),
        "",
        *table(*made.ndcg()),
        "",
        MEANING,
    ]
    (folder / PAGE).write_text("\n".join(lines) + "\n")
    content = {name: findings.as_json() for name, findings in made.findings.items()}
    (folder / FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
