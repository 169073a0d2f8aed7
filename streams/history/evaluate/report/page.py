"""The findings as a page in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from streams.history.evaluate.report.findings import Findings, brought
from streams.history.evaluate.tradeoffs.lists import DIVERSITY

# Titles of the tables, and the figures in them; of a name that ends in a space, all that begin so.
TABLES = (
    ("Accuracy", ("hr@10", "hr@20", "mrr@20", "list ", "rmse", "mae")),
    ("Slices", ("ndcg@10 of ", "hr@20 of ")),
    (
        "Kind of items",
        ("coverage@20", "novelty ", "popularity", "popularity ", "calibration ", DIVERSITY, "share of "),
    ),
    ("Cost", ("µs per ", "MB")),
)
MEANING = (
    "Each target is a question of its own: NDCG@10 is the mean over targets of 1 / log2(place + 1), 0 behind the tenth "
    "place; HR@k the share of targets among the first k; MRR@20 the mean of 1 / place. A `list` figure takes a visit "
    "as a whole. Intervals hold 95 % of 10,000 resamples of users, the same for all contenders. Popularity is the mean "
    "number of earlier uses of the items named, its lift the ratio to that of the targets. Diversity is the mean of "
    "1 - cosine over the pairs of a list's first ten items; a share is that of a group in the first 20 places, where "
    "the group `cold` is of items with one or two uses. µs are CPU time of the process, MB by how much it grew."
)


def page(findings: Findings, pictures: Sequence[str]) -> str:
    """pictures: names of files beside the page."""
    about = findings.about
    lines = [f"# {about['dataset']}, {about['task']}", ""]
    lines += [", ".join(f"{name} {value}" for name, value in about.items() if value is not None) + ".", ""]
    lines += table(("contender", "NDCG@10", f"times {findings.reference}"), *_main(findings))
    for curve in findings.curves:
        lines += ["", f"## {curve}", "", *_curve(findings, curve)]
    for title, chosen in TABLES:
        lines += ["", f"## {title}", "", *_figures(findings, chosen)]
    lines += ["", MEANING]
    for picture in pictures:
        lines += ["", f"![{picture.partition('.')[0].replace('-', ' ')}]({picture})"]
    return "\n".join(lines) + "\n"


def _main(findings: Findings) -> Iterable[Sequence[str]]:
    return [(name, str(findings.ndcg[name]), str(findings.ratio[name])) for name in findings.names()]


def _curve(findings: Findings, curve: str) -> list[str]:
    """What each value of a setting costs, and what it brings."""
    points = findings.curves[curve]
    names = brought(findings, curve)
    rows = (
        (value, str(findings.ndcg[who]), *(shown(findings.figures[who][name]) for name in names))
        for value, who in points
    )
    return table((curve.partition(" ")[2], "NDCG@10", *names), *rows)


def _figures(findings: Findings, chosen: tuple[str, ...]) -> list[str]:
    """The table of the figures whose names begin so; those that nobody has are left out."""
    first = findings.figures[findings.reference]
    names = [
        name
        for name in first
        if any(name == one or (one.endswith(" ") and name.startswith(one)) for one in chosen)
        and any(math.isfinite(one[name]) for one in findings.figures.values())
    ]
    rows = ((who, *(shown(findings.figures[who][name]) for name in names)) for who in findings.names())
    return table(("contender", *names), *rows)


def table(head: Sequence[str], *rows: Sequence[str]) -> list[str]:
    """The lines of a table in Markdown, all columns but the first to the right."""
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def shown(value: float) -> str:
    """For a person; a dash for what is no number."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.0f}"
