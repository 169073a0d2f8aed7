"""The headers that say which record another was made of, and why one was rejected."""

from __future__ import annotations

from typing import Any

import pytest

from streams.events import Limits, Reason, Rejected, decode_canonical
from streams.provenance import CONNECT, SOURCE, origin, origin_headers, rejected_headers
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


def test_a_canonical_record_says_which_record_it_was_made_of() -> None:
    assert origin_headers(Record(b"", 7, topic="clicks", partition=2)) == [
        ("interestflow.source.topic", b"clicks"),
        ("interestflow.source.partition", b"2"),
        ("interestflow.source.offset", b"7"),
    ]


def test_what_ingest_writes_into_headers_is_found_again() -> None:
    record = Record(b"{", 42, topic="clicks", partition=3, headers=[("trace", b"t")])
    assert origin(origin_headers(record), SOURCE) == ("clicks", "3", "42")
    assert origin(rejected_headers(record, Rejected(Reason.NOT_JSON, "m", "s")), CONNECT) == (
        "clicks",
        "3",
        "42",
    )


@pytest.mark.parametrize("headers", [None, [], [("interestflow.source.topic", b"clicks")]])
def test_a_record_of_somebody_elses_has_no_origin(headers: Any) -> None:
    assert origin(headers, SOURCE) is None
