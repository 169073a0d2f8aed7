"""What every format promises: any bytes give events, or the reasons why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

from streams.events import forgiven as kinds
from streams.events.adapters.moments import moment
from streams.events.adapters.orders import require_item, split, tell_unread
from streams.events.canonical import Event, default_event_id, encode, event_problem, fitting_id
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.isolation import each
from streams.events.near_misses import hint, meant, printable, recognised
from streams.events.records import Record, SourceRecord
from streams.events.rejections import Limits, Reason, Rejected
from streams.events.runs import RUN
from streams.events.wrappings import load
from streams.settings.action_words import known_word, spell

STAGE = "ingest.decode"
# The action that says nothing without a value.
RATINGS = frozenset(("rate",))


class Adapter(Protocol):
    """Reads one foreign format, of one topic."""

    name: str
    # A valid record. If parsing this fails too, the adapter has a bug; otherwise the record is bad.
    example: bytes
    # What was not as documented and was understood all the same.
    forgiven: Forgiven

    def parse(self, record: SourceRecord, limits: Limits) -> list[Event | Rejected]:
        """At least one, in the record's order: an Event, or a Rejected for a part that is wrong.

        A record that is wrong as a whole gives one Rejected. Never raises, whatever the bytes. The same bytes give the
        same list: an event's index is part of its origin.
        """
        ...


@runtime_checkable
class RunAdapter(Protocol):
    """An adapter that reads records with nothing unusual faster together than one by one."""

    def parse_run(self, records: Sequence[SourceRecord], limits: Limits) -> list[Event] | None:
        """One event of each record (n >= 1), as `parse` gives; None where one has to be looked at by itself.

        Where it gives events, `parse` would forgive nothing in them.
        """
        ...


def parse_each(
    adapter: Adapter, records: Sequence[SourceRecord], limits: Limits
) -> Sequence[Sequence[Event | Rejected]]:
    """`parse` of each, and a rejection where it raises after all. Raises EverythingFailsError (see isolation)."""
    example = Record("example", 0, 0, None, None, adapter.example, ())
    results = each(
        records,
        lambda record: adapter.parse(record, limits),
        STAGE,
        probe=lambda: adapter.parse(example, limits),
        at_once=partial(_parse_runs, adapter, records, limits) if isinstance(adapter, RunAdapter) else None,
    )
    return [[result] if isinstance(result, Rejected) else result for result in results]


def _parse_runs(
    adapter: Adapter, records: Sequence[SourceRecord], limits: Limits
) -> list[list[Event | Rejected]]:
    assert isinstance(adapter, RunAdapter)
    parsed: list[list[Event | Rejected]] = []
    for first in range(0, len(records), RUN):
        run = records[first : first + RUN]
        events = adapter.parse_run(run, limits)
        parsed += [adapter.parse(r, limits) for r in run] if events is None else [[event] for event in events]
    return parsed


def load_fields(value: bytes, forgiven: Forgiven) -> Fields:
    """The JSON object in a value. Raises Invalid."""
    loaded = load(value)
    for kind in loaded.wrapped:
        forgiven.note("value", kind)
    return Fields(loaded.fields, forgiven, loaded.damaged)


def build_all(
    record: SourceRecord, limits: Limits, fields: Fields, event_id: str | None, listed_as: str | None = None
) -> list[Event | Rejected]:
    """Checked events from fields by their canonical names: one, or one per product of an order. Raises Invalid.

    listed_as: the producer's name for the list of products, for messages; by default the name of its field.
    """
    tell_unread(fields, record.topic)
    products = split(fields, listed_as)
    if products is None:
        return [build(record, limits, fields, event_id or default_event_id(record, limits))]
    return build_parts(record, limits, [product.fields for product in products], event_id)


def build_parts(
    record: SourceRecord, limits: Limits, parts: Sequence[Callable[[], Fields]], own_id: str | None = None
) -> list[Event | Rejected]:
    """An event for each part of a record; what is wrong with one leaves the others alone. Raises Invalid: too many.

    parts: each gives the fields of its event by their canonical names, or raises Invalid. own_id: the record's own id,
    where its producer gave one; an event's id is that and the part's index.
    """
    if len(parts) > limits.max_events:
        raise too_many(len(parts), limits)
    whole = own_id or f"{record.topic}-{record.partition}-{record.offset}"
    return [
        _build_part(record, limits, part, fitting_id(f"{whole}#{index}", limits))
        for index, part in enumerate(parts)
    ]


def too_many(count: int, limits: Limits) -> Invalid:
    """The way out of a record that holds more events than one may."""
    message = f"{count} events in one record, more than {limits.max_events} (INTERESTFLOW_LIMIT_EVENTS)"
    return Invalid(Reason.TOO_MANY_EVENTS, message)


def _build_part(
    record: SourceRecord, limits: Limits, part: Callable[[], Fields], event_id: str
) -> Event | Rejected:
    try:
        return build(record, limits, part(), event_id)
    except Invalid as invalid:
        return invalid.rejected(STAGE)


def build(record: SourceRecord, limits: Limits, fields: Fields, event_id: str) -> Event | Rejected:
    """An event from fields by their canonical names; Rejected where a value is out of bounds.

    Raises Invalid where a field is missing or cannot be read.
    """
    try:
        built = _built(record, limits, fields, event_id)
    except Invalid as invalid:
        raise invalid.within(fields.within) from invalid
    if fields.within and isinstance(built, Rejected):
        return built._replace(message=fields.within + built.message)
    return built


def _built(record: SourceRecord, limits: Limits, fields: Fields, event_id: str) -> Event | Rejected:
    user = _required(fields, "user_id", Reason.MISSING_USER, "an event without user moves no interest")
    action = spell(_required_action(fields))
    event = Event(
        event_id=event_id,
        user_id=user,
        action=action,
        timestamp=moment(fields, record),
        source=fields.text("source") or "",
        item_id=fields.identifier("item_id", whole=True),
        value=_value(fields, action),
        text=fields.text("text"),
        media=fields.strings("media", ("url", "uri", "src", "href")),
        session_id=fields.identifier("session_id"),
        recommendation_id=fields.identifier("recommendation_id"),
    )
    if event.item_id is None:
        require_item(event, fields)
    if (problem := event_problem(event, limits, STAGE)) is not None:
        return problem
    # The canonical form can be longer than what came, by headers or an id: the next stage must accept it.
    if (size := len(encode(event))) > limits.max_bytes:
        message = f"{size} bytes as canonical event, more than {limits.max_bytes} (INTERESTFLOW_LIMIT_BYTES)"
        return Rejected(Reason.TOO_LARGE, message, STAGE)
    return event


def _required(fields: Fields, name: str, reason: Reason, why: str) -> str:
    found = fields.identifier(name, whole=True)
    if found is None:
        raise _missing(fields, name, reason, why)
    return found


def _required_action(fields: Fields) -> str:
    found = fields.word("action")
    if found is None or not spell(found):
        raise _missing(fields, "action", Reason.MISSING_ACTION, "say what the user did")
    return found


def _missing(fields: Fields, name: str, reason: Reason, why: str) -> Invalid:
    """The way out where a field that decides is not there, with what was probably meant."""
    given = fields.given
    if (looks := recognised(given)) is not None:
        return Invalid(Reason.FOREIGN_FORMAT, looks)
    state = "empty" if given.get(name) is not None else "missing"
    return Invalid(reason, f"{name} is {state}{hint(given, name)}: {why}")


def _value(fields: Fields, action: str) -> float | None:
    """`value`, or what shops call it of a purchase."""
    found = fields.number("value")
    if found is not None:
        return found
    for name in ("quantity", "qty"):
        if name in fields.given and (found := fields.number(name)) is not None:
            fields.forgiven.note(name, kinds.OTHER_NAME)
            return found
    if known_word(action, RATINGS) is not None:
        _tell_no_rating(fields)
    return None


def _tell_no_rating(fields: Fields) -> None:
    if (other := meant(fields.given, "value")) is None:
        fields.forgiven.note("value", kinds.NOTHING_TO_LEARN)
        return
    said = f"`{printable(other)}` is not read as a rating, so it moves nothing: name it `value`"
    fields.forgiven.log_once("value", kinds.NOT_READ, said)
