"""The findings as pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from streams.history.evaluate.report.findings import Findings, brought

# Without the time of making, the same findings give the same file.
PLAIN = {"Date": None}


def draw(findings: Findings, folder: Path) -> list[str]:
    """Write the pictures; returns their names. Raises ImportError where matplotlib is not installed."""
    import matplotlib

    matplotlib.use("agg")
    # Words stay words: half the bytes of drawn letters.
    matplotlib.rcParams.update({"svg.hashsalt": "interestflow", "svg.fonttype": "none"})
    made = {"quality-over-time.svg": _over_time, "quality-per-slice.svg": _per_slice}
    if any(brought(findings, curve) for curve in findings.curves):
        made["trade-offs.svg"] = _trade_offs
    for name, make in made.items():
        figure = make(findings)
        figure.savefig(folder / name, metadata=PLAIN)
    return list(made)


def _figure(width: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, 4.5), layout="constrained")
    return figure, figure.add_subplot()


def _over_time(findings: Findings) -> Any:
    figure, axes = _figure(9)
    for name in findings.names():
        points = findings.over_time[name]
        axes.plot(
            [datetime.fromtimestamp(time / 1000, UTC) for time, _ in points],
            [v for _, v in points],
            label=name,
        )
    axes.set_ylabel("NDCG@10")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{findings.about['dataset']}, {findings.about['task']}: quality over time")
    axes.legend()
    figure.autofmt_xdate()
    return figure


def _per_slice(findings: Findings) -> Any:
    """One group of bars for each slice, one bar for each contender."""
    names = findings.names()
    slices = [one for one in findings.figures[names[0]] if " of " in one]
    figure, axes = _figure(max(9, 1.2 * len(slices)))
    places, width = np.arange(len(slices)), 0.8 / len(names)
    for number, name in enumerate(names):
        heights = [findings.figures[name][one] for one in slices]
        axes.bar(places + (number - (len(names) - 1) / 2) * width, heights, width, label=name)
    axes.set_xticks(places, [one.replace(" of ", "\nof ") for one in slices], fontsize=8)
    axes.set_title(f"{findings.about['dataset']}, {findings.about['task']}: quality per slice")
    axes.legend()
    return figure


def _trade_offs(findings: Findings) -> Any:
    """One row for each curve: accuracy against each figure that its setting changes, each value a point."""
    from matplotlib.figure import Figure

    panels = {curve: names for curve in findings.curves if (names := brought(findings, curve))}
    width = max(map(len, panels.values()))
    figure: Any = Figure(figsize=(3.6 * width, 3.2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), width, squeeze=False)
    for row, (curve, names) in zip(axes, panels.items(), strict=True):
        for one in row[len(names) :]:
            one.axis("off")
        for one, name in zip(row, names, strict=False):
            _curve(one, findings, curve, name)
        row[0].set_ylabel(f"{curve}\nNDCG@10", fontsize=8)
    return figure


def _curve(axes: Any, findings: Findings, curve: str, name: str) -> None:
    points = findings.curves[curve]
    x = [findings.figures[who][name] for _, who in points]
    found = [findings.ndcg[who] for _, who in points]
    lengths = [[one.value - one.low for one in found], [one.high - one.value for one in found]]
    axes.errorbar(x, [one.value for one in found], yerr=lengths, marker="o", capsize=2, linewidth=1)
    for (value, _), at, one in zip(points, x, found, strict=True):
        axes.annotate(value, (at, one.value), xytext=(4, 4), textcoords="offset points", fontsize=7)
    axes.set_xlabel(name, fontsize=8)
    axes.tick_params(labelsize=7)
