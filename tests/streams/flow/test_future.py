"""By what an event's own time is bounded, and by what it is not."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_NOT_AVAILABLE
from hypothesis import given
from hypothesis import strategies as st

from streams.events.records import Record as KafkaRecord
from streams.events.rejections import Reason
from streams.flow.future import Future
from tests.streams.flows import DIM, T0, Record, make_flow, record, vectors

NOW_S, TOLERANCE_S = T0 / 1000, 60.0
FUTURE = Future(lambda: NOW_S, TOLERANCE_S)
HORIZON = T0 + 60_000


def decoded(*records: Any) -> Any:
    found = make_flow().decode(records)
    FUTURE.refuse(found)
    return found


def at(offset: int, time: int, recorded: int, appended: bool) -> Record:
    """A record of an event at a time, of a record time that the broker set or not."""
    made = record(offset, timestamp=time)
    made.timestamp, made.appended = recorded, appended
    return made


@given(time=st.integers(T0 - 10**9, T0 + 10**12), recorded=st.integers(1, T0 * 2), appended=st.booleans())
def test_what_is_ingested_is_bounded_by_the_broker_or_by_the_workers_clock(
    time: int, recorded: int, appended: bool
) -> None:
    found = at(0, time, recorded, appended)
    (event,) = make_flow().decode([found]).events
    FUTURE.bound([(event, found)])
    assert event.timestamp == min(time, recorded if appended else HORIZON)


@pytest.mark.parametrize(("ahead", "refused"), [(60_000, False), (60_001, True)])
def test_a_canonical_event_from_the_future_is_refused_where_its_producer_set_the_record_time(
    ahead: int, refused: bool
) -> None:
    found = decoded(at(0, T0 - 5, 0, False), at(1, T0 + ahead, T0 + 10**9, False))
    assert [(index, reason.reason) for index, reason in found.refused.items()] == (
        [(1, Reason.TIMESTAMP_IN_FUTURE)] if refused else []
    )


def test_one_whose_record_time_the_broker_set_is_clamped_and_not_refused() -> None:
    assert not decoded(at(0, T0 + 10**9, T0, True)).refused


def test_an_event_from_the_future_is_booked_as_rejected_and_freezes_nobody() -> None:
    flow = make_flow()
    found = flow.decode([at(0, T0 + 10**9, 0, False), at(1, T0, 0, False)])
    FUTURE.refuse(found)
    updated = flow.update(0, found, np.zeros((0, DIM), dtype=np.float32))
    assert updated.outcomes["rejected.timestamp_in_future"] == 1
    assert vectors(updated)["u"]["as_of"] == T0
    assert [r.offset for r, _ in updated.isolated] == [0]


@pytest.mark.parametrize(
    ("kind", "known", "appended"),
    [
        (TIMESTAMP_NOT_AVAILABLE, False, False),
        (TIMESTAMP_CREATE_TIME, True, False),
        (TIMESTAMP_LOG_APPEND_TIME, True, True),
    ],
)
def test_a_record_says_whether_the_broker_set_its_time(kind: int, known: bool, appended: bool) -> None:
    message = MagicMock(timestamp=lambda: (kind, 5))
    found = KafkaRecord.of(message)
    assert (found.timestamp, found.appended) == (5 if known else None, appended)
