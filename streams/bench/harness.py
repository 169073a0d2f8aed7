"""Samples of a benchmark run, and the rows and the table made of them.

A sample is one number of one engine in one round. A row is a metric's least, median and greatest sample. A
ratio is taken within each round, where noise hits both sides alike, and only then summed up.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil
from rich.table import Table

from streams.local_kafka.install import KAFKA_VERSION

GIB = 2**30


class Metric(NamedTuple):
    """What a number says. engine: whose it is, or `ours / theirs` of a ratio."""

    case: str
    engine: str
    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Row:
    """One metric over all rounds; min, median and max are None where it could not be measured."""

    case: str
    engine: str
    metric: str
    unit: str
    min: float | None
    median: float | None
    max: float | None
    runs: int


@dataclass(slots=True)
class Samples:
    """Numbers by metric, in the order of the rounds; and remarks for the foot of the table."""

    values: dict[Metric, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, case: str, engine: str, name: str, unit: str, value: float) -> None:
        """One round's number."""
        self.values.setdefault(Metric(case, engine, name, unit), []).append(value)

    def missing(self, case: str, engine: str, name: str, unit: str) -> None:
        """A metric that could not be measured: shown, never left out."""
        self.values.setdefault(Metric(case, engine, name, unit), [])

    def add_ratios(
        self, case: str, name: str, ours: str, theirs: Iterable[str], called: str | None = None
    ) -> None:
        """Rows `ours / engine` of a metric, by round, called `<name>_ratio`; missing where one side is."""
        values = {
            metric.engine: found for metric, found in self.values.items() if metric[::2] == (case, name)
        }
        for engine in theirs:
            pairs = list(zip(values.get(ours, []), values.get(engine, []), strict=False))
            ratio = Metric(case, f"{ours} / {engine}", called or f"{name}_ratio", "x")
            self.values[ratio] = [mine / other for mine, other in pairs]

    def merge(self, other: Samples) -> None:
        """Take in another case's numbers and notes."""
        self.values.update(other.values)
        self.notes.update(other.notes)

    def rows(self) -> list[Row]:
        """One row per metric, in the order in which they first came."""
        return [_row(metric, values) for metric, values in self.values.items()]

    def table(self) -> Table:
        """The rows for a person; the notes stand below it."""
        caption = "\n".join(f"{name}: {note}" for name, note in self.notes.items()) or None
        shown = Table(caption=caption, caption_justify="left")
        for name in ("case", "engine", "metric", "unit"):
            shown.add_column(name, no_wrap=name != "engine", overflow="fold")
        for name in ("min", "median", "max", "runs"):
            shown.add_column(name, justify="right", no_wrap=True)
        last = ""
        for row in self.rows():
            if row.case != last and last:
                shown.add_section()
            numbers = [_number(value) for value in (row.min, row.median, row.max)]
            shown.add_row(row.case, row.engine, row.metric, row.unit, *numbers, str(row.runs))
            last = row.case
        return shown


def _row(metric: Metric, values: Sequence[float]) -> Row:
    if not values:
        return Row(*metric, None, None, None, 0)
    return Row(*metric, min(values), statistics.median(values), max(values), len(values))


def _number(value: float | None) -> str:
    if value is None:
        return "missing"
    if 0 < abs(value) < 0.01:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine() -> str:
    """CPU model, cores, memory, Python and Kafka version, in one line."""
    memory = psutil.virtual_memory().total / GIB
    python = f"{platform.python_implementation()} {platform.python_version()}"
    cores = psutil.cpu_count()
    return f"{_cpu_model()}, {cores} cores, {memory:.0f} GiB, {python}, Apache Kafka {KAFKA_VERSION}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
