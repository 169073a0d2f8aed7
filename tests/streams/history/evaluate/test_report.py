"""Intervals, the page and the file of a report."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from streams.history.evaluate.judge import Judge
from streams.history.evaluate.judged import Judged
from streams.history.evaluate.report.findings import Findings, over_time
from streams.history.evaluate.report.intervals import Interval, intervals
from streams.history.evaluate.report.page import page, shown
from tests.streams.history.evaluate.simple import PopularityContender, RandomContender
from tests.streams.history.evaluate.worlds import drawn


@pytest.fixture(scope="module")
def two() -> list[Judged]:
    return [Judge(drawn(), "all").run(kind(30, seed=1)) for kind in (RandomContender, PopularityContender)]


def test_intervals_hold_the_figures_and_are_paired(two: list[Judged]) -> None:
    ndcg, ratio = intervals(two, "random", seed=1, resamples=500)
    assert ndcg["random"].value == pytest.approx(two[0].figures()["ndcg@10"])
    for interval in (*ndcg.values(), *ratio.values()):
        assert interval.low <= interval.value <= interval.high
    assert ratio["random"] == type(ratio["random"])(1, 1, 1)
    assert ratio["popularity"].value == pytest.approx(ndcg["popularity"].value / ndcg["random"].value)
    assert (ndcg, ratio) == intervals(two, "random", seed=1, resamples=500)
    assert ndcg != intervals(two, "random", seed=2, resamples=500)[0]


def test_a_contender_that_is_better_for_every_user_is_surely_better(two: list[Judged]) -> None:
    better = replace(two[0], name="better", marks=two[0].marks * np.where(np.arange(15) == 1, 1.5, 1))
    ratio = intervals([two[0], better], "random", resamples=200)[1]["better"]
    assert (ratio.low, ratio.high) == (pytest.approx(1.5), pytest.approx(1.5))


def test_what_cannot_be_compared_is_refused(two: list[Judged]) -> None:
    with pytest.raises(ValueError, match="was not judged"):
        intervals(two, "absent")
    with pytest.raises(ValueError, match="different visits"):
        intervals([two[0], replace(two[1], numbers=two[1].numbers + 1)], "random")


def test_the_page_and_the_file_say_the_same(two: list[Judged]) -> None:
    findings = Findings.of({"dataset": "toys", "task": "all", "limit": None}, two, "random", 0)
    text = page(findings, ["quality-over-time.svg"])
    assert text.startswith("# toys, all\n\ndataset toys, task all, scored visits")
    assert f"| popularity | {findings.ndcg['popularity']} |" in text
    assert "![quality over time](quality-over-time.svg)" in text
    # Nobody foretold ratings here, and the items have no categories.
    assert "rmse" not in text
    assert "calibration" not in text
    read = json.loads(json.dumps(findings.as_json(), allow_nan=False))
    assert list(read["contenders"]) == findings.names() == ["popularity", "random"]
    assert read["contenders"]["random"]["figures"]["rmse"] is None
    assert read["contenders"]["random"]["ndcg@10"]["value"] == findings.ndcg["random"].value


def test_quality_over_time_is_of_all_visits(two: list[Judged]) -> None:
    points = over_time(two[1])
    assert len(points) == 20
    assert [time for time, _ in points] == sorted(time for time, _ in points)
    assert 0 < np.mean([value for _, value in points]) < 1


@pytest.mark.parametrize(
    ("value", "text"), [(float("nan"), "-"), (0.01234, "0.0123"), (1234.5, "1,234"), (-0.5, "-0.5000")]
)
def test_figures_are_short(value: float, text: str) -> None:
    assert shown(value) == text


def test_what_there_is_no_interval_of_is_a_dash() -> None:
    assert str(Interval(0.5, 0.25, 0.75)) == "0.5000 [0.2500, 0.7500]"
    assert str(Interval(0.5, math.nan, math.nan)) == "0.5000"
    assert str(Interval(math.nan, math.nan, math.nan)) == "-"
