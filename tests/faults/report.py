"""Writes RELIABILITY.md of the trials that were run: `python -m tests.faults.report`."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from math import exp, lgamma, log
from pathlib import Path
from typing import Any

import orjson

from tests.faults.trials import RESULTS

TARGET = Path(__file__).parent.parent.parent / "RELIABILITY.md"
CONFIDENCE = 0.95
HEAD = """# Reliability

Faults were injected into running workers and a real local Apache Kafka under load. This page shows how often each fault
was tried, and what held each time. `make faults` runs the trials. `tests/faults` holds the faults, and
`tests/faults/invariants.py` the invariants.

- A column of an invariant shows in how many trials it was breached ("of N" where fewer trials checked it).
- "rate below" is the upper bound, at 95 % confidence, of the rate of trials in which any invariant is breached. Without
  a breach it is three divided by the number of trials (the rule of three); otherwise it is Clopper and Pearson's.

Each row is the fault's last run, at the commit shown; {date}, {machine}.

"""


def upper_bound(failures: int, trials: int) -> float:
    """The rate of failures is below this at 95 % confidence (one-sided)."""
    if failures >= trials:
        return 1.0
    if not failures:
        return min(1.0, 3 / trials)
    low, high = failures / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(failures, trials, middle) > 1 - CONFIDENCE else (low, middle)
    return high


def _at_most(failures: int, trials: int, rate: float) -> float:
    """Probability of at most so many failures."""

    def exactly(k: int) -> float:
        ways = lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1)
        return exp(ways + k * log(rate) + (trials - k) * log(1 - rate))

    return sum(exactly(k) for k in range(failures + 1))


def newest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the last run of each fault, in the form that was run last."""
    form = rows[-1]["form"]
    last = {row["fault"]: row["run"] for row in rows if row["form"] == form}
    return [row for row in rows if row["form"] == form and row["run"] == last[row["fault"]]]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """One line per fault, one column per invariant that every fault of the table was checked for."""
    ran: dict[str, Counter[str]] = defaultdict(Counter)
    failed: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        ran[row["fault"]][row["invariant"]] += row["trials"]
        failed[row["fault"]][row["invariant"]] += row["failures"]
    names = sorted({row["invariant"] for row in rows})
    commits = {row["fault"]: row["commit"] for row in rows}
    head = ["fault", "commit", "trials", *names, "rate below"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for fault, counts in ran.items():
        most = max(counts.values())
        cells = [_cell(failed[fault][name], counts[name], most) for name in names]
        worst = min(most, sum(failed[fault].values()))
        shown = [fault, commits[fault], f"{most:,}", *cells, f"{upper_bound(worst, most):.2%}"]
        lines.append(f"| {' | '.join(shown)} |")
    return lines


def _cell(failures: int, trials: int, most: int) -> str:
    if not trials:
        return "not checked"
    return f"{failures}" if trials == most else f"{failures} of {trials:,}"


def _kind(row: Mapping[str, Any]) -> str:
    """Of which table a row is."""
    if row["fault"].startswith("items:"):
        return "items"
    return "state" if row["invariant"].startswith(("I", "harness")) else row["invariant"]


def machine() -> str:
    """What it ran on, in words."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def main() -> None:
    """Write the report; exit status 1 where an invariant was breached."""
    rows = newest([orjson.loads(line) for line in RESULTS.read_bytes().splitlines()])
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:  # faults that were checked for the same things share a table
        groups[_kind(row)].append(row)
    text = HEAD.format(date=rows[-1]["run"][:10], machine=machine())
    TARGET.write_text(text + "\n\n".join("\n".join(table(group)) for group in groups.values()) + "\n")
    breached = sum(row["failures"] for row in rows)
    print(f"{TARGET.name}: {len(rows)} counts, {breached} breaches")
    sys.exit(1 if breached else 0)


if __name__ == "__main__":
    main()
