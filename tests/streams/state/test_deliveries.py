"""What an owner has handed over: in order, and nobody else's."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.base import SinkError
from streams.state.changelog import NOTHING, OutputProgress
from streams.state.deliveries import Deliveries, PendingChange


def pending(sequence: int, size: int, last: int | None, resume: int = -1) -> PendingChange:
    future: Future[Sequence[int]] = Future()
    if last is not None:
        future.set_result([last, -1])
    return PendingChange(sequence, resume, size, future)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=12), st.integers(0, 3))
def test_gaps_hold_all_that_others_wrote_and_no_group_beside_which_nobody_did(
    batches: list[tuple[int, int]], behind: int
) -> None:
    """Each batch: records of others before or within it, whichever, and its own."""
    deliveries, end = Deliveries(epoch=9, read_to=10), 10
    expected: set[int] = set()
    for sequence, (others, own) in enumerate(batches, 1):
        last = end + others + own - 1
        expected |= set(range(end, last)) if others else set()
        deliveries.add(pending(sequence, own, last))
        end = last + 1
    expected |= set(range(end, end + behind))
    deliveries.observe_end(end + behind)
    assert {offset for gap in deliveries.gaps for offset in range(*gap)} == expected
    deliveries.gaps.clear()
    deliveries.observe_end(end + behind)
    assert deliveries.gaps == []


def test_an_end_says_nothing_while_own_records_are_on_their_way() -> None:
    deliveries = Deliveries(epoch=9, read_to=10)
    deliveries.add(pending(1, 2, None))
    deliveries.observe_end(12)
    assert deliveries.gaps == []


def test_nothing_counts_before_what_was_handed_over_earlier() -> None:
    deliveries = Deliveries(epoch=9, read_to=10)
    deliveries.add(pending(1, 2, None, resume=4))
    deliveries.add(pending(2, 2, 13, resume=7))
    deliveries.settle()
    assert (deliveries.published, deliveries.resume) == (NOTHING, -1)


def test_what_vouches_for_no_rejected_record_does_not_take_back_what_others_did() -> None:
    deliveries = Deliveries(epoch=9, read_to=10)
    deliveries.add(pending(1, 2, 11, resume=7))
    deliveries.add(pending(2, 1, 12))
    deliveries.settle()
    assert (deliveries.published, deliveries.resume) == (OutputProgress(9, 2, 10), 7)


def test_a_failed_delivery_is_an_error() -> None:
    deliveries, failed = Deliveries(), pending(1, 1, None)
    assert isinstance(failed.delivered, Future)
    failed.delivered.set_exception(SinkError("no"))
    deliveries.add(failed)
    with pytest.raises(SinkError):
        deliveries.settle()
