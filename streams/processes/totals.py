"""The metrics of several processes as those of one: counters are added up and never go back, gauges follow a rule.

prometheus-client's own mode for several processes does not fit: it knows no metrics that are read when they are asked
for (users, encoder), and keeps the gauges of ended processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import Metric

from streams.ops.collectors import PREFIX
from streams.processes.line import Family, Report

# Family, sample and labels.
Key = tuple[str, str, tuple[tuple[str, str], ...]]
COUNTED = ("counter", "histogram", "summary")
# Gauges of what every process holds or waits for: the highest. Those of its own share are added up. Of any other
# gauge each process's value is shown, with a label `process`.
HIGHEST = frozenset(
    PREFIX + name
    for name in (
        *("consumer_lag_records", "catalog_items", "paused"),
        *("learned_items", "learned_staleness_seconds", "ranker_version", "tower_uses"),
    )
)
ADDED = frozenset(
    PREFIX + name
    for name in (
        *("users", "waiting_events", "recovered_users", "encoder_queued_texts"),
        *("feedback_impressions", "tower_unmerged_items"),
    )
)


class Tally:
    """The counters of one process and of those that ran in its place before. They only rise."""

    def __init__(self) -> None:
        self._before: dict[Key, float] = {}
        self._now: dict[Key, float] = {}

    def take(self, counted: Mapping[Key, float]) -> None:
        """What the process counts now; a counter that is lower than before, or gone, began anew."""
        for key, value in self._now.items():
            if counted.get(key, 0.0) < value:
                self._before[key] = self._before.get(key, 0.0) + value
        self._now = dict(counted)

    def renew(self) -> None:
        """Another process begins at nought."""
        self.take({})

    def totals(self) -> dict[Key, float]:
        """Each counter over all these processes."""
        return _added([self._now, self._before])


class Totals:
    """The metrics of a group. One thread at a time."""

    def __init__(self, processes: int) -> None:
        """processes: how many places there are, numbered from 1."""
        self._tallies = [Tally() for _ in range(processes)]
        # Without samples, in the order in which they were seen first.
        self._families: dict[str, Family] = {}

    def take(self, number: int, told: Report) -> None:
        """What the process in a place reported."""
        for family in told.families:
            self._families.setdefault(family.name, family)
        counted = (family for family in told.families if family.kind in COUNTED)
        self._tallies[number - 1].take(dict(_samples(counted)))

    def renew(self, number: int) -> None:
        """The process in a place has ended."""
        self._tallies[number - 1].renew()

    def metrics(self, running: Mapping[int, Report]) -> Iterator[Metric]:
        """All metrics. running: the reports of the processes that run, whose gauges alone are shown."""
        shown = _added([tally.totals() for tally in self._tallies]) | _gauges(running)
        made = {f.name: Metric(f.name, f.about, f.kind) for f in self._families.values()}
        for (family, name, labels), value in shown.items():
            made[family].add_sample(name, dict(labels), value)
        yield from made.values()


def _samples(families: Iterator[Family]) -> Iterator[tuple[Key, float]]:
    for family in families:
        for name, labels, value in family.samples:
            yield (family.name, name, tuple(labels.items())), value


def _gauges(running: Mapping[int, Report]) -> dict[Key, float]:
    shown: dict[Key, float] = {}
    for number, told in sorted(running.items()):
        gauges = (family for family in told.families if family.kind not in COUNTED)
        for (family, name, labels), value in _samples(gauges):
            if family in HIGHEST:
                key = family, name, labels
                shown[key] = max(shown.get(key, value), value)
            elif family in ADDED:
                key = family, name, labels
                shown[key] = shown.get(key, 0.0) + value
            else:
                shown[family, name, (*labels, ("process", str(number)))] = value
    return shown


def _added(parts: Sequence[Mapping[Key, float]]) -> dict[Key, float]:
    total: dict[Key, float] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total.get(key, 0.0) + value
    return total
