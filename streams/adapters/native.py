"""Native JSON: the canonical fields, with what producers find natural.

Ids may be integers; timestamp may be milliseconds, RFC 3339 text (without offset: UTC) or absent (then the
Kafka record's own); event_id may be absent (then topic, partition and offset of the record).
"""

from __future__ import annotations

from streams.adapters.base import STAGE, Invalid, build, identifier, load_object
from streams.events import Event, SourceRecord
from streams.rejections import Limits, Rejected, envelope_problem


class NativeAdapter:
    """Format `native`."""

    name = "native"
    example = b'{"user_id": "u", "item_id": "i", "action": "click", "timestamp": 1600000000000}'

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """See the module."""
        if (problem := envelope_problem(record.value, limits, STAGE)) is not None:
            return [problem]
        try:
            fields = load_object(record.value or b"")
            return [build(record, limits, fields, identifier(fields, "event_id"))]
        except Invalid as invalid:
            return [invalid.rejected]
