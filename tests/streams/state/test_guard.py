"""Whose a changelog record is: a gap among the owner's own records may hold some of its own."""

from __future__ import annotations

import pytest

from streams.state.changelog import OWNER_KEY, WATERMARK_KEY
from streams.state.deliveries import Deliveries
from streams.state.guard import others
from streams.state.store import PartitionState
from tests.streams.state.test_store import SOURCE, layout

OWN, REPLACED = 20, 10


def records_of(term: int) -> list[tuple[bytes, bytes | None]]:
    """A row and the mark behind it, as an owner of this term writes them."""
    part = PartitionState(0, layout())
    part.deliveries = Deliveries(term)
    rows = part.rows(["somebody"])
    changed = part.take(rows)
    part.stamp(part.layout.view(changed))
    part.put(rows, changed)
    return [*part.records(rows, changed), part.watermark_record(SOURCE)]


def test_rows_and_marks_of_another_term_are_others() -> None:
    assert others(records_of(REPLACED), layout(), OWN) == [b"somebody", WATERMARK_KEY]


def test_own_records_and_claims_of_the_partition_are_not() -> None:
    assert others([*records_of(OWN), (OWNER_KEY, b"{}")], layout(), OWN) == []


@pytest.mark.parametrize("value", [None, b"too short for a row"])
def test_what_does_not_say_whose_it_is_is_somebody_elses(value: bytes | None) -> None:
    assert others([(b"somebody", value)], layout(), OWN) == [b"somebody"]
