"""Native JSON: the canonical fields, with what producers find natural.

Ids may be integers; timestamp may be milliseconds, RFC 3339 text (without offset: UTC) or absent (then the
Kafka record's own); event_id may be absent (then topic, partition and offset of the record). A list of products
is one event for each (see `orders`); `fields` says what else is understood.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from streams.events.adapters.base import RATINGS, STAGE, build_all, load_fields
from streams.events.adapters.moments import parse_time
from streams.events.canonical import Event, default_event_id
from streams.events.fields import Invalid
from streams.events.forgiven import Forgiven
from streams.events.records import SourceRecord
from streams.events.rejections import Limits, Rejected, envelope_problem
from streams.events.runs import decode_run, in_range, lines
from streams.settings.action_words import PerWord, known_word, spell
from streams.settings.settings import Settings

# A value that holds one of these is looked at by itself: nothing and what is empty are absent, and counted.
UNUSUAL = (b"null", b'""')
# Longer values are looked at by themselves: in a field that is not read, there may be a number that nobody can read.
LONGEST = 4096
# So many bytes may the canonical form have beyond the native one: an id that we make, and numbers written out.
LONGER = 1024
# The id of an event without one; told by identity, for any text may be an id.
NO_ID = "event without id"


class _Plain(msgspec.Struct, gc=False):
    """A native event of the documented types."""

    user_id: str
    action: str
    timestamp: int | str
    event_id: str = NO_ID
    source: str = ""
    item_id: str | None = None
    value: float | None = None
    text: str | None = None
    media: list[str] | None = None
    session_id: str | None = None
    recommendation_id: str | None = None
    # Lists of products, and other names for how many.
    products: Any = None
    items: Any = None
    line_items: Any = None
    lineItems: Any = None
    quantity: Any = None
    qty: Any = None


_decode_lines = msgspec.json.Decoder(_Plain).decode_lines
_is_rating = PerWord(lambda action: known_word(action, RATINGS) is not None)


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

    def parse_run(self, records: Sequence[SourceRecord], limits: Limits) -> list[Event] | None:
        """See RunAdapter."""
        values = [record.value for record in records]
        joined = lines(values)
        longest = max(len(value or b"") for value in values)
        if any(unusual in joined for unusual in UNUSUAL) or longest > min(LONGEST, limits.max_bytes - LONGER):
            return None
        plain = decode_run(values, joined, limits, _decode_lines)
        if plain is None or not all(map(_is_usual, plain)):
            return None
        try:
            times = [parse_time(t) if isinstance(t := one.timestamp, str) else t for one in plain]
        except Invalid:
            return None
        if not in_range(times, limits):
            return None
        return [_event(*each, limits) for each in zip(plain, times, records, strict=True)]


def _is_usual(plain: _Plain) -> bool:
    """False where an adapter has something to count, to refuse or to read elsewhere."""
    lists = (plain.products, plain.items, plain.line_items, plain.lineItems)
    if any(one is not None for one in lists):
        return False
    if plain.value is None:
        rests = plain.quantity is None and plain.qty is None and not _is_rating[plain.action]
    else:
        rests = math.isfinite(plain.value)
    return rests and bool(spell(plain.action)) and (plain.item_id is not None or bool(plain.text))


def _event(plain: _Plain, timestamp: int, record: SourceRecord, limits: Limits) -> Event:
    own = plain.event_id
    return Event(
        default_event_id(record, limits) if own is NO_ID else own,
        plain.user_id,
        spell(plain.action),
        timestamp,
        plain.source,
        plain.item_id,
        plain.value,
        plain.text,
        plain.media,
        plain.session_id,
        plain.recommendation_id,
    )


def from_settings(settings: Settings) -> NativeAdapter:
    """Native JSON; no setting changes how it is read."""
    return NativeAdapter()
