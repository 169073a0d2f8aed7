"""The numbers of the report."""

from __future__ import annotations

import pytest

from tests.faults.report import newest, table, upper_bound

ROW = {
    "run": "1",
    "commit": "a",
    "form": "long",
    "fault": "f",
    "invariant": "I1",
    "trials": 300,
    "failures": 0,
}


@pytest.mark.parametrize(
    ("failures", "trials", "bound"),
    [(0, 300, 0.01), (0, 2, 1.0), (1, 1, 1.0), (1, 100, 0.0466), (5, 100, 0.1023), (1, 20, 0.2161)],
)
def test_the_bound_is_the_rule_of_three_or_clopper_and_pearsons(
    failures: int, trials: int, bound: float
) -> None:
    assert upper_bound(failures, trials) == pytest.approx(bound, abs=5e-5)


def test_each_faults_last_run_in_the_form_that_was_run_last_counts() -> None:
    again, other = {**ROW, "commit": "b", "run": "2", "failures": 1}, {**ROW, "fault": "g"}
    assert newest([ROW, {**ROW, "run": "3", "form": "short"}, again, other]) == [again, other]


def test_a_table_has_a_line_per_fault() -> None:
    *_, line = table([ROW, {**ROW, "invariant": "I2", "trials": 200, "failures": 3}])
    assert line == "| f | a | 300 | 0 | 3 of 200 | 2.56% |"
