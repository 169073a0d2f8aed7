"""Which records of a call ask for a delivery report, and when the call is done."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.base import SinkError, TopicRecords
from sinks.outstanding import Outstanding

RECORD = (b"k", b"v")


class Message:
    """Of a delivery report."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset


def outstanding(*groups: TopicRecords) -> tuple[Outstanding, list[Any]]:
    refused: list[Any] = []
    return Outstanding(groups, 0.0, lambda error, message: refused.append(error)), refused


def test_the_last_record_of_each_partition_stands_for_all_before_it() -> None:
    group = TopicRecords("t", [RECORD] * 5)
    waiting, refused = outstanding(group)
    reports = waiting.reports([group], 0, [2, 0, 2, 2, 0])
    assert [report is not None for report in reports] == [False, False, False, True, True]
    first, second = (report for report in reports if report is not None)
    first(None, Message(9))
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
    other(None, Message(7))
    last(None, Message(12))
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
