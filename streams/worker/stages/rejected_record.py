"""A rejected record as its topic takes it: what does not fit is left out, and told by size and SHA-256."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import product
from typing import NamedTuple

from sinks.base import Header
from streams.events.provenance import rejected_headers
from streams.events.records import SourceRecord
from streams.events.rejections import Rejected
from streams.kafka.topics.record_bounds import Headers, record_bytes


class RejectedRecord(NamedTuple):
    """What is written."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


# What is kept of a record, from all to nothing: its key, its value, its headers. Of the two the value tells more.
KEPT = tuple(product((True, False), repeat=3))


def rejected_record(
    record: SourceRecord, rejected: Rejected, room: int, more: Sequence[Header] = (), again: bool = False
) -> RejectedRecord:
    """The original bytes as far as they fit, the original headers, ours, and what was left out.

    room: bytes that the topic takes, 100,000 at least. more: further headers of ours. Headers are left out first,
    then the value, then the key. again: another event of the record was rejected just before, and has the value.
    """
    for key, value, headers in KEPT:
        if value and again:
            continue
        made = _made(record, rejected, more, key, value, headers)
        if record_bytes(*made) <= room:
            break
    return made


def _made(
    record: SourceRecord, rejected: Rejected, more: Sequence[Header], key: bool, value: bool, headers: bool
) -> RejectedRecord:
    theirs = list(record.headers or ())
    ours = [*rejected_headers(record, rejected)[len(theirs) :], *more]
    if not key and record.key is not None:
        ours += _part_headers("key", record.key)
    if not value and record.value is not None:
        ours += _part_headers("value", record.value)
    if not headers and theirs:
        ours += [
            ("interestflow.headers.count", b"%d" % len(theirs)),
            *_part_headers("headers", _joined(theirs)),
        ]
    return RejectedRecord(
        record.key if key else None, record.value if value else None, theirs + ours if headers else ours
    )


def _part_headers(part: str, given: bytes) -> list[tuple[str, bytes]]:
    return [
        (f"interestflow.{part}.size", b"%d" % len(given)),
        (f"interestflow.{part}.sha256", sha256(given).hexdigest().encode()),
    ]


def _joined(headers: Headers) -> bytes:
    """Names and values, one after the other."""
    return b"".join(part for name, given in headers for part in (name.encode(), given or b""))
