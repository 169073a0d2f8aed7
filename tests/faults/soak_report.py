"""What a soak has measured: a table on the screen, and JSON for later."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from tests.faults.node import Node
from tests.faults.resident import FEWEST, Sample, Watch, slope
from tests.faults.soak import Soak

HOUR_S = 3600.0


def bins(samples: list[Sample], every_s: float) -> Iterator[tuple[float, list[Sample]]]:
    """Samples by equal spans of time: its middle in seconds, and those in it."""
    for number, found in groupby(samples, lambda one: int(one.at // every_s)):
        yield (number + 0.5) * every_s, list(found)


def measured(watch: Watch, warm_up_s: float, every_s: float) -> dict[str, Any]:
    """Slope of the medians of each span behind the warm-up, MiB per hour; what was there at both ends; the peak."""
    begun = watch.samples[0].at if watch.samples else 0.0
    kept = [one for one in watch.samples if one.at >= begun + warm_up_s]
    spans = list(bins(kept, every_s))
    if len(spans) < FEWEST:
        return {"spans": len(spans)}
    middles = [median(one.mib for one in found) for _, found in spans]
    growth = slope([at / HOUR_S for at, _ in spans], middles)
    tenth = max(1, len(spans) // 10)
    return {
        "spans": len(spans),
        "hours": (spans[-1][0] - spans[0][0]) / HOUR_S,
        "recoveries": kept[-1].recoveries - kept[0].recoveries,
        "slope_mib_per_hour": asdict(growth),
        "first_mib": median(middles[:tenth]),
        "last_mib": median(middles[-tenth:]),
        "peak_mib": max(one.mib for one in watch.samples),
        "threads": [median(one.threads for one in found) for _, found in (spans[0], spans[-1])],
        "files": [median(one.files for one in found) for _, found in (spans[0], spans[-1])],
    }


def report(soak: Soak, warm_up_s: float) -> dict[str, Any]:
    """Of each process of the workers that are not killed."""
    lasting = dict(soak.watches)
    return {
        "every_s": soak.every,
        "rate": soak.rate,
        "warm_up_s": warm_up_s,
        "ends": soak.crew.ends,
        "workers": {name: measured(watch, warm_up_s, soak.every) for name, watch in lasting.items()},
        "samples": {
            name: [
                asdict(found[-1]) | {"mib": median(one.mib for one in found)}
                for _, found in bins(w.samples, 10)
            ]
            for name, w in lasting.items()
        },
    }


def table(found: dict[str, Any]) -> str:
    """One line per worker."""
    lines = [f"{'worker':8}{'recoveries':>12}{'first':>8}{'last':>8}{'peak':>8}   MiB/hour (95 %)"]
    for name, told in found["workers"].items():
        if "slope_mib_per_hour" not in told:
            lines.append(f"{name:8}too few samples yet")
            continue
        growth = told["slope_mib_per_hour"]
        sizes = "".join(f"{told[f'{which}_mib']:8.0f}" for which in ("first", "last", "peak"))
        interval = f"{growth['value']:+.1f} ({growth['low']:+.1f} to {growth['high']:+.1f})"
        lines.append(f"{name:8}{told['recoveries']:>12}{sizes}   {interval}")
    return "\n".join([*lines, f"ended by themselves: {found['ends'] or 'none'}"])


def main() -> None:
    """Take the command line, and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds from one disturbance to the next")
    parser.add_argument("--rate", type=float, default=300.0, help="events per second")
    parser.add_argument("--warm-up", type=float, default=15.0, help="minutes that the slope leaves out")
    parser.add_argument("--session", type=float, default=6.0, help="the group's session time-out, seconds")
    parser.add_argument(
        "--out", type=Path, default=Path(".interestflow/soak"), help="folder of logs and JSON"
    )
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="interestflow-soak-") as home, Node(Path(home)) as node:
        run(node, given)


def run(node: Node, given: argparse.Namespace) -> None:
    """Soak on this broker; writes what it has after each disturbance."""
    soak = Soak(
        node.servers,
        given.out,
        rate=given.rate,
        every_s=given.every,
        session_s=given.session,
        sample_s=min(5.0, given.every / 12),
    )
    begun = time.monotonic()

    def done() -> bool:
        found = report(soak, 60 * given.warm_up)
        (given.out / "soak.json").write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        minutes = (time.monotonic() - begun) / 60
        print(f"\nafter {minutes:.1f} min\n{table(found)}", flush=True)
        return minutes >= given.minutes

    try:
        soak.run(done)
    finally:
        soak.close()
