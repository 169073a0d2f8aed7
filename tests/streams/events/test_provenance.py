"""The headers that say which record another was made of, and why one was rejected."""

from __future__ import annotations

from typing import Any

import pytest

from streams.events.decoding import decode_canonical
from streams.events.provenance import (
    MAX_EVENTS_PER_RECORD,
    ORIGIN,
    Origin,
    OriginHeaders,
    OriginReader,
    rank_of,
    rejected_headers,
)
from streams.events.rejections import Limits, Reason, Rejected
from tests.streams.flows import Record


def test_a_rejected_record_says_where_it_was_and_why_and_keeps_its_headers() -> None:
    record = Record(b"{", 42, topic="clicks", partition=3, headers=[("trace", b"t1"), ("trace", b"t2")])
    found = decode_canonical(record, Limits())
    assert isinstance(found, Rejected)
    headers = rejected_headers(record, found)
    assert headers[:2] == [("trace", b"t1"), ("trace", b"t2")]
    assert dict(headers[2:]) == {
        "__connect.errors.topic": b"clicks",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"42",
        "__connect.errors.stage": b"update.decode",
        "__connect.errors.exception.class.name": b"interestflow.Rejected",
        "__connect.errors.exception.message": found.message.encode(),
        "interestflow.reason": b"not_json",
    }


def test_a_message_with_a_lone_surrogate_still_makes_a_header() -> None:
    headers = rejected_headers(Record(b"", 0), Rejected(Reason.NOT_JSON, "got \ud800", "s"))
    assert dict(headers)["__connect.errors.exception.message"] == b"got \\ud800"


CLICKS = OriginHeaders("clicks", "idA", "idE")


def test_a_canonical_record_says_which_event_of_which_record_it_was_made_of() -> None:
    headers = CLICKS.of(Record(b"", 7, topic="clicks", partition=2), 1)
    assert headers == [("interestflow.origin", b"clicks/idA/idE/2/7/1")]
    (found,) = OriginReader("idE").read([Record(b"", 0, headers=headers)])
    assert found == Origin("clicks/idA", 2, rank_of(7, 1))
    assert found is not None
    assert found.topic == "clicks"


def test_origins_rank_by_offset_then_by_index() -> None:
    places = [(0, 0), (0, 1), (0, MAX_EVENTS_PER_RECORD - 1), (1, 0), (1, 1), (2**40, 0)]
    ranks = [rank_of(*place) for place in places]
    assert ranks == sorted(set(ranks))
    assert ranks[-1] < 2**63


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("other", b"x")],
        [("interestflow.source.topic", b"clicks"), ("interestflow.source.offset", b"42")],
        [(ORIGIN, b"")],
        [(ORIGIN, b"clicks/2/7/1")],
        [(ORIGIN, b"clicks/idA/idE/2/x/1")],
        [(ORIGIN, b"\xff/idA/idE/2/7/1")],
        [(ORIGIN, b"clicks/idA/another/2/7/1")],
    ],
)
def test_what_was_not_written_into_this_topic_by_ingest_has_no_origin(headers: Any) -> None:
    right = CLICKS.of(Record(b"", 7, topic="clicks", partition=2), 0)
    found = OriginReader("idE").read([Record(b"", 0, headers=headers), Record(b"", 1, headers=right)])
    assert found[0] is None
    assert found[1] is not None
    assert OriginReader("idE").read([Record(b"", 0)]) == []


def test_a_rejected_event_of_several_tells_its_index() -> None:
    rejected = Rejected(Reason.NOT_JSON, "m", "s")
    assert "interestflow.index" not in dict(rejected_headers(Record(b"", 0), rejected))
    assert dict(rejected_headers(Record(b"", 0), rejected._replace(event=3)))["interestflow.index"] == b"3"


def test_a_rejected_record_tells_which_topic_of_the_name_it_stood_in() -> None:
    rejected = Rejected(Reason.NOT_JSON, "m", "s")
    assert "interestflow.topic.id" not in dict(rejected_headers(Record(b"", 0), rejected))
    assert (
        dict(rejected_headers(Record(b"", 0), rejected._replace(topic_id="a")))["interestflow.topic.id"]
        == b"a"
    )
