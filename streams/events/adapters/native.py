"""Native JSON: the canonical fields, with what producers find natural.

Ids may be integers; timestamp may be milliseconds, RFC 3339 text (without offset: UTC) or absent (then the
Kafka record's own); event_id may be absent (then topic, partition and offset of the record). A list of products
is one event for each (see `orders`); `fields` says what else is understood.
"""

from __future__ import annotations

from streams.events.adapters.base import STAGE, build_all, load_fields
from streams.events.canonical import Event
from streams.events.fields import Invalid
from streams.events.forgiven import Forgiven
from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Rejected, envelope_problem
from streams.settings.settings import Settings


class NativeAdapter:
    """Format `native`."""

    name = "native"
    example = b'{"user_id": "u", "item_id": "i", "action": "click", "timestamp": 1600000000000}'

    def __init__(self) -> None:
        self.forgiven = Forgiven()

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """See the module."""
        if (problem := envelope_problem(record.value, limits, STAGE)) is not None:
            return [problem]
        try:
            fields = load_fields(record.value or b"", self.forgiven)
            return build_all(record, limits, fields, fields.identifier("event_id", whole=True))
        except Invalid as invalid:
            return [invalid.rejected(STAGE)]


def from_settings(settings: Settings) -> NativeAdapter:
    """Native JSON; no setting changes how it is read."""
    return NativeAdapter()
