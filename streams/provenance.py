"""What a record that we write says, in its headers, of the record that it was made of; and the rejected ones."""

from __future__ import annotations

from collections.abc import Iterable

from streams.events import Rejected, SourceRecord

# Names of the headers: of canonical records, and of rejected ones as in Kafka Connect's dead letter queue.
SOURCE = ("interestflow.source.topic", "interestflow.source.partition", "interestflow.source.offset")
CONNECT = ("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset")
REASON = "interestflow.reason"
# Of what a rejection says; the reason is enough to act on.
LONGEST_MESSAGE = 2000


def origin_headers(record: SourceRecord) -> list[tuple[str, bytes]]:
    """Headers of a canonical record that say which record it was made of."""
    return [
        (SOURCE[0], record.topic.encode()),
        (SOURCE[1], b"%d" % record.partition),
        (SOURCE[2], b"%d" % record.offset),
    ]


def rejected_headers(record: SourceRecord, rejected: Rejected) -> list[tuple[str, bytes]]:
    """The original headers, then those of Kafka Connect's dead letter queue, then the reason."""
    message = rejected.message.encode("utf-8", "backslashreplace")[:LONGEST_MESSAGE]
    return [
        *(record.headers or ()),
        (CONNECT[0], record.topic.encode()),
        (CONNECT[1], b"%d" % record.partition),
        (CONNECT[2], b"%d" % record.offset),
        ("__connect.errors.stage", rejected.stage.encode()),
        ("__connect.errors.exception.class.name", rejected.exception.encode()),
        ("__connect.errors.exception.message", message),
        (REASON, rejected.reason.encode()),
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
