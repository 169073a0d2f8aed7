"""Records that wait for others: in order, and not before these are delivered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from sinks.base import Delivery, SinkError, TopicRecords
from sinks.memory import MemoryLog
from streams.worker.learning.held import HeldBack


def group(name: str) -> list[TopicRecords]:
    return [TopicRecords("state", [(name.encode(), b"")], 0)]


def names(log: MemoryLog) -> list[bytes | None]:
    return [key for key, _, _ in log.records["state"]]


def test_they_follow_what_they_wait_for_in_the_order_of_their_lane() -> None:
    log = MemoryLog()
    held, first = HeldBack(log), [Future[Sequence[int]]() for _ in range(3)]
    deliveries = [held.publish(0, before, group(f"{n}")) for n, before in enumerate(first)]
    first[1].set_result([])
    assert names(log) == []
    first[0].set_result([])
    assert names(log) == [b"0", b"1"]
    assert [one.done() for one in deliveries] == [True, True, False]
    assert deliveries[1].result() == [1]
    first[2].set_result([])
    assert names(log) == [b"0", b"1", b"2"]


def test_lanes_do_not_wait_for_one_another() -> None:
    log, done = MemoryLog(), Future[Sequence[int]]()
    held = HeldBack(log)
    done.set_result([])
    held.publish(0, Future(), group("waits"))
    assert held.publish(1, done, group("goes")).done()
    assert names(log) == [b"goes"]


def test_where_what_they_wait_for_fails_they_are_not_published() -> None:
    log, failed = MemoryLog(), Future[Sequence[int]]()
    delivered: Delivery = HeldBack(log).publish(0, failed, group("a"))
    failed.set_exception(SinkError("refused"))
    with pytest.raises(SinkError, match="refused"):
        delivered.result()
    assert names(log) == []


def test_where_they_are_refused_themselves_it_is_told() -> None:
    log, done = MemoryLog(takes=lambda *_: False), Future[Sequence[int]]()
    held = HeldBack(log)
    done.set_result([])
    for _ in range(2):  # the second one raises at once
        with pytest.raises(SinkError):
            held.publish(0, done, group("a")).result()
