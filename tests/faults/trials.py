"""Runs trials of a fault, counts what held, and writes the counts down.

INTERESTFLOW_FAULTS=long runs as many trials as a statement about rates needs, `short` (the default) as many as
a test run can afford; INTERESTFLOW_FAULT_SHARE scales the long form, INTERESTFLOW_FAULT_SEED chooses others.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import orjson
import pytest

from tests.faults.deployment import ALL_APPLIED, NO_LAG, SETTLE_S, Deployment, Problems

# Read at import: in a test the environment is cleared of everything that could be a setting.
FORM = os.environ.get("INTERESTFLOW_FAULTS", "short")
# Three brokers, or a soak, take the minutes of a whole `make test`: they are run by `make cluster` and `make faults`.
ASKED_FOR = "INTERESTFLOW_FAULTS" in os.environ
when_asked_for = pytest.mark.skipif(
    not ASKED_FOR, reason="takes minutes: run `make cluster` or `make faults`"
)
SHARE = float(os.environ.get("INTERESTFLOW_FAULT_SHARE", "1"))
SEED = int(os.environ.get("INTERESTFLOW_FAULT_SEED", "0"))
RUN = datetime.now(UTC).isoformat(timespec="seconds")
ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / ".interestflow" / "faults.jsonl"
SHOWN = 4


@cache
def commit() -> str:
    """What is checked out, and whether it was changed since."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def trials(long: int, short: int) -> int:
    """How many trials of a fault to run."""
    return max(1, round(long * SHARE)) if FORM == "long" else short


@dataclass(slots=True)
class Tally:
    """Trials and failures of one fault, by invariant, with what was found in those that failed."""

    fault: str
    ran: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    evidence: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def record(self, trial: str, problems: Problems) -> None:
        """Count a trial: each invariant that was looked at, and whether it held."""
        for invariant, found in problems.items():
            self.ran[invariant] += 1
            if found:
                self.failed[invariant] += 1
                more = f" (and {len(found) - SHOWN} more)" if len(found) > SHOWN else ""
                self.evidence.append(f"{trial}: {invariant}: {'; '.join(found[:SHOWN])}{more}")

    def write(self, path: Path = RESULTS) -> None:
        """Append the counts to the results."""
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"run": RUN, "commit": commit(), "form": FORM, "fault": self.fault}
        with path.open("ab") as file:
            for invariant, count in self.ran.items():
                counts = {"trials": count, "failures": self.failed[invariant]}
                row = {**about, "invariant": invariant, **counts, "seconds": round(self.seconds, 1)}
                file.write(orjson.dumps(row) + b"\n")


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. trial: does it to a deployment under load, and returns once it has ended.

    monotone: it pauses and kills no worker, so that published records may never go down.
    settle_s: within so many seconds after its end the group must have read all.
    """

    name: str
    trial: Callable[[Deployment, Random], None]
    monotone: bool = False
    settle_s: float = SETTLE_S
    per_deployment: int = 15


def run(faults: Sequence[Fault], count: int, deploys: Sequence[Callable[[int], Deployment]]) -> None:
    """Run `count` trials of each fault, in turns; fails in the end where an invariant did.

    deploys: each makes a deployment from a seed; they take turns, so that a short run sees them all.
    """
    tallies = [Tally(fault.name) for fault in faults]
    try:
        _in_turns(faults, tallies, count, deploys)
    except BaseException:  # of a long run that is interrupted, what was run counts
        for tally in tallies:
            tally.write()
        raise
    require(tallies)


def _in_turns(
    faults: Sequence[Fault],
    tallies: Sequence[Tally],
    count: int,
    deploys: Sequence[Callable[[int], Deployment]],
) -> None:
    total = count * len(faults)
    per = max(1, min(faults[0].per_deployment, total // len(deploys)))
    number = 0
    while number < total:
        deployment = deploys[number // per % len(deploys)](SEED + number)
        try:
            last = min(number + per, total) - 1
            while number <= last:
                index = number % len(faults)
                if not _trial(faults[index], tallies[index], deployment, number):
                    break  # what is broken stays broken
                number += 1
        finally:
            deployment.close()
        number += number <= last


def _trial(fault: Fault, tally: Tally, deployment: Deployment, number: int) -> bool:
    """Run and record one; false where the deployment is of no further use."""
    started = time.monotonic()
    problems = one(fault, deployment, Random(f"{SEED} {fault.name} {number}"))
    tally.record(f"{fault.name}, trial {number}", problems)
    tally.seconds += time.monotonic() - started
    broken = any(found for name, found in problems.items() if name != NO_LAG)
    if broken:
        tally.evidence.append(deployment.crew.logs())
    return not broken


def require(tallies: Sequence[Tally]) -> None:
    """Write the counts down, and fail where an invariant did."""
    for tally in tallies:
        tally.write()
    evidence = [line for tally in tallies for line in tally.evidence]
    assert not evidence, "\n".join(evidence)


def one(fault: Fault, deployment: Deployment, rng: Random) -> Problems:
    """One trial and all checks behind it."""
    try:
        fault.trial(deployment, rng)
    except AssertionError as error:
        return {"harness": [f"the fault could not be made: {error}"]}
    found = deployment.settle(fault.settle_s)
    return found if found[ALL_APPLIED] else {**found, **deployment.check(fault.monotone)}
