"""What a record that we write says, in its headers, of the record that it was made of; and the rejected ones."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from streams.events import Rejected, SourceRecord

# Names of the headers: of canonical records, and of rejected ones as in Kafka Connect's dead letter queue.
SOURCE = ("interestflow.source.topic", "interestflow.source.partition", "interestflow.source.offset")
CONNECT = ("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset")
REASON = "interestflow.reason"
# The topic of rejected records is made to take 8 MiB; headers need their part.
MAX_REJECTED_BYTES = 7 * 1024 * 1024


def origin_headers(record: SourceRecord) -> list[tuple[str, bytes]]:
    """Headers of a canonical record that say which record it was made of."""
    return [
        (SOURCE[0], record.topic.encode()),
        (SOURCE[1], b"%d" % record.partition),
        (SOURCE[2], b"%d" % record.offset),
    ]


def rejected_value(record: SourceRecord) -> bytes | None:
    """The original bytes, or none of them where a record with them would be too long for most topics."""
    return None if record.value is not None and len(record.value) > MAX_REJECTED_BYTES else record.value


def rejected_headers(record: SourceRecord, rejected: Rejected) -> list[tuple[str, bytes]]:
    """The original headers, then those of Kafka Connect's dead letter queue, then the reason.

    Of a value that is left out (see `rejected_value`) size and SHA-256 follow; it is where those headers say.
    """
    omitted, value = [], record.value
    if value is not None and rejected_value(record) is None:
        omitted = [
            ("interestflow.value.size", b"%d" % len(value)),
            ("interestflow.value.sha256", sha256(value).hexdigest().encode()),
        ]
    return [
        *(record.headers or ()),
        (CONNECT[0], record.topic.encode()),
        (CONNECT[1], b"%d" % record.partition),
        (CONNECT[2], b"%d" % record.offset),
        ("__connect.errors.stage", rejected.stage.encode()),
        ("__connect.errors.exception.class.name", rejected.exception.encode()),
        ("__connect.errors.exception.message", rejected.message.encode("utf-8", "backslashreplace")),
        (REASON, rejected.reason.encode()),
        *omitted,
    ]


def origin(
    headers: Iterable[tuple[str, bytes]] | None, names: tuple[str, ...]
) -> tuple[str, str, str] | None:
    """Topic, partition and offset that headers of these names tell; None where they do not."""
    found = dict(headers or ())
    try:
        topic, partition, offset = (found[name].decode() for name in names)
    except KeyError:
        return None
    return topic, partition, offset
