"""Which records of a call ask for a delivery report, and when the call is done."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.base import SinkError, TopicRecords
from sinks.outstanding import MISSING, Appended, Outstanding

RECORD = (b"k", b"v")


class Message:
    """Of a delivery report."""

    def __init__(self, offset: int, partition: int = 0) -> None:
        self._offset, self._partition = offset, partition

    def offset(self) -> int:
        return self._offset

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return self._partition


def outstanding(*groups: TopicRecords, appended: Appended | None = None) -> tuple[Outstanding, list[Any]]:
    refused: list[Any] = []
    waiting = Outstanding(groups, 0.0, lambda error, message: refused.append(error), appended or Appended())
    return waiting, refused


def test_the_last_record_of_each_partition_stands_for_all_before_it() -> None:
    group = TopicRecords("t", [RECORD] * 5)
    waiting, refused = outstanding(group)
    reports = waiting.reports([group], 0, [2, 0, 2, 2, 0])
    assert [report is not None for report in reports] == [False, False, False, True, True]
    first, second = (report for report in reports if report is not None)
    first(None, Message(9, 2))
    assert waiting.remaining == 2
    assert not waiting.future.done()
    second(None, Message(4))
    assert list(waiting.future.result(timeout=0)) == [-1]
    assert not refused


def test_a_group_that_names_its_partition_is_told_the_offset_of_its_last_record() -> None:
    groups = [TopicRecords("a", [RECORD] * 3, 1), TopicRecords("b", [RECORD], 0)]
    waiting, _ = outstanding(*groups)
    *before, last = waiting.reports(groups, 0, [1, 1, 1])
    (other,) = waiting.reports(groups, 1, [0])
    assert before == [None, None]
    assert last is not None
    assert other is not None
    other(None, Message(7, 0))
    last(None, Message(12, 1))
    assert list(waiting.future.result(timeout=0)) == [12, 7]


def test_a_failed_report_counts_for_no_record() -> None:
    group = TopicRecords("t", [RECORD] * 2, 0)
    waiting, refused = outstanding(group)
    last = waiting.reports([group], 0, [0, 0])[-1]
    assert last is not None
    last("error", Message(-1))
    assert refused == ["error"]
    assert waiting.remaining == 2
    waiting.fail("refused")
    with pytest.raises(SinkError, match="refused"):
        waiting.future.result(timeout=0)


@pytest.mark.parametrize(("end", "lost"), [(12, False), (20, False), (11, True), (-1001, False)])
def test_a_report_that_leaves_too_few_offsets_for_its_records_shows_the_loss(end: int, lost: bool) -> None:
    """Others may write in between; an offset that the broker did not tell says nothing."""
    group, appended = TopicRecords("t", [RECORD] * 3, 0), Appended()
    refusals = []
    for offset in (9, end):
        waiting, refused = outstanding(group, appended=appended)
        last = waiting.reports([group], 0, [0, 0, 0])[-1]
        assert last is not None
        last(None, Message(offset))
        refusals += refused
    assert refusals == ([MISSING] if lost else [])
    assert waiting.future.done() != lost
