"""What a record that we write says, in its headers, of the record that it was made of; and the rejected ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from streams.events.records import SourceRecord
from streams.events.rejections import Rejected

# Header of a canonical record: topic/topic id/events topic's id/partition/offset/index, see Origin.
ORIGIN = "interestflow.origin"
# Header of a rejected event that is one of several of its record: its index among them.
INDEX = "interestflow.index"
# Kafka's id of the topic that a rejected record stood in.
TOPIC_ID = "interestflow.topic.id"
# Headers of rejected records, as in Kafka Connect's dead letter queue.
CONNECT = ("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset")
REASON = "interestflow.reason"
# Of what a rejection says; the reason is enough to act on.
LONGEST_MESSAGE = 2000
# Of a rejected canonical record: consumer group/events topic id, for whom else it may be an event.
REFUSED_BY = "interestflow.refused.by"
# Header of an embedding record that removes an item of which nothing was known.
UNKNOWN_REMOVAL = "interestflow.unknown"

_HEADERS = attrgetter("headers")

# An index has so many bits in an origin's rank; an offset has the 43 bits above it.
INDEX_BITS = 20
MAX_EVENTS_PER_RECORD = 1 << INDEX_BITS


class Origin(NamedTuple):
    """The place in a source that a canonical event was made of.

    stream: "topic/topic id" of the source; a topic that is made anew has another id. rank: `rank_of` its offset and
    of the event's index within the record.
    """

    stream: str
    partition: int
    rank: int

    @property
    def topic(self) -> str:
        """The source topic's name."""
        return self.stream.partition("/")[0]


def rank_of(offset: int, index: int) -> int:
    """Order of events within a source partition: by offset, then by index within the record."""
    return offset << INDEX_BITS | index


class OriginHeaders:
    """Writes the origins of the events of one source topic. No topic's name or id holds a slash."""

    def __init__(self, topic: str, topic_id: str, canonical_topic_id: str) -> None:
        """events_topic_id: of the topic that the events go to, the only one in which the origins rise."""
        self._head = f"{topic}/{topic_id}/{canonical_topic_id}/".encode()

    def of(self, record: SourceRecord, index: int) -> list[tuple[str, bytes]]:
        """Headers of the canonical record that is made of this record's event of this index."""
        return [(ORIGIN, b"%b%d/%d/%d" % (self._head, record.partition, record.offset, index))]


class OriginReader:
    """Reads the origins that were written into one topic of canonical events; those of another topic are none."""

    def __init__(self, canonical_topic_id: str) -> None:
        self._own = canonical_topic_id
        # What stands before the numbers -> the stream, or None where it is of another events topic.
        self._streams: dict[bytes, str | None] = {}

    def read(self, records: Sequence[SourceRecord]) -> list[Origin | None]:
        """(n,) the origin of each record; an empty list where none has one."""
        if not any(map(_HEADERS, records)):
            return []
        return [self._one(record.headers) if record.headers else None for record in records]

    def _one(self, headers: Iterable[tuple[str, bytes]]) -> Origin | None:
        for name, value in headers:
            if name == ORIGIN:
                try:
                    head, partition, offset, index = value.rsplit(b"/", 3)
                    stream = self.stream_of(head)
                    rank = rank_of(int(offset), int(index))
                    return None if stream is None else Origin(stream, int(partition), rank)
                except (ValueError, UnicodeDecodeError):
                    return None
        return None

    def stream_of(self, head: bytes) -> str | None:
        """The stream of what stands before the numbers; None where it is of another events topic. Raises ValueError."""
        return self._streams[head] if head in self._streams else self._stream(head)

    def _stream(self, head: bytes) -> str | None:
        topic, topic_id, canonical_topic_id = head.decode().split("/")
        found = f"{topic}/{topic_id}" if canonical_topic_id == self._own else None
        self._streams[head] = found
        return found


def refused_by(group: str, canonical_topic_id: str) -> bytes:
    """Value of the header REFUSED_BY."""
    return f"{group}/{canonical_topic_id}".encode()


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
        *([] if rejected.event is None else [(INDEX, b"%d" % rejected.event)]),
        *([(TOPIC_ID, rejected.topic_id.encode())] if rejected.topic_id else []),
    ]
