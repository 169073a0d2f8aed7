"""A worker's memory beside others that come and go: the short form of the soak, and what the soak counts with."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.node import Node
from tests.faults.resident import Sample, Watch, slope
from tests.faults.soak import Soak
from tests.faults.soak_report import measured
from tests.faults.trials import when_asked_for

# From and to this number of recoveries, each with those next to it: what they read lies at times still in memory.
EARLY, LATE = (3, 6), (14, 17)
# Without giving memory back it is 150 and more, with it about 10.
MOST_MIB = 75.0
EVERY_S, SESSION_S, RATE = 4.0, 2.0, 300.0
# Only so that a worker that never recovers does not hold up the tests.
DEADLINE_S = 900.0


@when_asked_for
def test_recoveries_leave_no_memory_behind(node: Node, tmp_path: Path) -> None:
    soak = Soak(node.servers, tmp_path, rate=RATE, every_s=EVERY_S, session_s=SESSION_S)
    started = time.monotonic()

    def done() -> bool:
        assert time.monotonic() - started < DEADLINE_S, f"{soak.watched.recoveries} recoveries"
        return soak.watched.recoveries > LATE[1]

    try:
        soak.run(done)
    finally:
        soak.close()
    early, late = soak.watched.typical(*EARLY), soak.watched.typical(*LATE)
    assert late - early < MOST_MIB, f"from {early:.0f} to {late:.0f} MiB"


def line(growth: float, noise: list[float]) -> tuple[list[float], list[float]]:
    """Hours and MiB of a worker that grows by so much an hour."""
    hours = [number / 60 for number in range(len(noise))]
    return hours, [100 + growth * at + off for at, off in zip(hours, noise, strict=True)]


def white(rng: random.Random, count: int = 120) -> list[float]:
    return [rng.gauss(0, 5) for _ in range(count)]


def wandering(rng: random.Random) -> list[float]:
    """Noise of which each is much like the one before."""
    found = [0.0]
    for off in white(rng, 119):
        found.append(0.9 * found[-1] + off)
    return found


def test_a_slope_is_told_exactly_where_nothing_disturbs_it() -> None:
    found = slope(*line(7.0, [0.0] * 30))
    assert (found.value, found.low, found.high) == pytest.approx((7.0, 7.0, 7.0))


@pytest.mark.parametrize(("noise", "least"), [(white, 0.92), (wandering, 0.85)])
def test_the_interval_holds_the_slope_as_often_as_it_says(noise: object, least: float) -> None:
    held = 0
    for seed in range(300):
        found = slope(*line(3.0, noise(random.Random(seed))))  # type: ignore[operator]
        held += found.low <= 3.0 <= found.high
    assert least <= held / 300 < 1.0


def test_too_few_samples_are_no_slope() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        slope([1.0, 2.0], [1.0, 2.0])


def test_what_comes_before_the_warm_up_does_not_count() -> None:
    watch = Watch(0, Path("unread"))
    watch.samples = [Sample(at, int(at // 60), 50 + at if at < 600 else 650, 5, 9) for at in range(3000)]
    found = measured(watch, warm_up_s=600, every_s=60)
    assert found["slope_mib_per_hour"]["value"] == pytest.approx(0)
    assert (found["peak_mib"], found["recoveries"]) == (650, 39)
