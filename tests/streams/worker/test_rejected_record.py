"""Rejected records fit their topic, and what is left out of them is told: at each bound, and one byte beside it."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.rejections import Reason, Rejected
from streams.kafka.topics.record_bounds import record_bytes
from streams.worker.stages.rejected_record import rejected_record
from tests.streams.flows import Record

WHY = Rejected(Reason.NOT_JSON, "not JSON", "ingest.decode")
ROOM = 100_000
PARTS = ("headers", "value", "key")


def made(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], room: int = ROOM):  # type: ignore[no-untyped-def]
    return rejected_record(Record(value, 7, key, "clicks", 3, headers=headers), WHY, room)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_part_is_left_out_from_one_byte_beyond_the_room(part: str, beyond: int) -> None:
    """What was cut off is named with its size and SHA-256."""
    small = {"key": b"k", "value": b"v", "headers": [("h", b"v")]}
    size = record_bytes(*made(**small))
    large = b"x" * (ROOM - size + beyond + 1)
    given = {**small, part: [("h", large)] if part == "headers" else large}
    found = made(**given)
    told = dict(found.headers)
    assert record_bytes(*found) <= ROOM
    if beyond <= 0:
        assert record_bytes(*found) == ROOM + beyond
        assert (found.key, found.value) == (given["key"], given["value"])
        assert not any("sha256" in name for name in told)
        return
    content = b"h" + large if part == "headers" else large
    assert told[f"interestflow.{part}.size"] == b"%d" % len(content)
    assert told[f"interestflow.{part}.sha256"] == sha256(content).hexdigest().encode()
    assert told["__connect.errors.offset"] == b"7"
    assert "h" not in told if part == "headers" else getattr(found, part) is None


@given(st.sets(st.sampled_from(PARTS)), st.integers(0, 3))
def test_whatever_is_too_large_the_record_fits_and_says_where_it_was(large: set[str], null: int) -> None:
    huge = b"x" * (2 * ROOM)
    found = made(
        huge if "key" in large else b"k" if null & 1 else None,
        huge if "value" in large else b"v" if null & 2 else None,
        [("h", huge), ("n", b"")] if "headers" in large else [],
    )
    assert record_bytes(*found) <= ROOM
    told = dict(found.headers)
    assert {name.split(".")[1] for name in told if name.endswith("sha256")} == large
    assert told["__connect.errors.topic"] == b"clicks"
    assert told["interestflow.reason"] == b"not_json"


def test_a_long_message_is_cut_short() -> None:
    found = rejected_record(Record(b"v", 7), Rejected(Reason.NOT_JSON, "ä" * 10_000, "s"), ROOM)
    assert record_bytes(*found) < 5000


def test_of_one_record_with_many_rejected_events_the_value_is_kept_once() -> None:
    record = Record(b"x" * 5000, 7, b"k", "clicks", 3)
    first = rejected_record(record, WHY, ROOM)
    further = rejected_record(record, WHY._replace(event=1), ROOM, again=True)
    assert (first.value, further.value, further.key) == (record.value, None, b"k")
    assert dict(further.headers)["interestflow.value.sha256"] == sha256(b"x" * 5000).hexdigest().encode()
