"""What every input format promises; runs over each entry of FORMATS, and the canonical format, by itself."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.adapters import FORMATS, adapter
from streams.events.adapters.base import RunAdapter
from streams.events.canonical import Event, encode, good_record
from streams.events.decoding import decode_canonical, decode_canonical_batch
from streams.events.rejections import Limits, Reason, Rejected
from streams.settings.action_words import spell
from tests.streams.flows import T0, Record

LIMITS = Limits(max_text_length=40)
# So tight that generated input lies on either side of every limit.
TIGHT = Limits(max_bytes=300, max_depth=3, max_id_length=8, max_action_length=5, max_text_length=10)

Parser = Callable[[Record, Limits], list[Event | Rejected]]
PARSERS: dict[str, Parser] = {
    **{name: adapter(name).parse for name in FORMATS},
    "canonical": lambda record, limits: [decode_canonical(record, limits)],
}


# --- one event in each format; a new format is added here ----------------------------------------------------


class Written(NamedTuple):
    """A record of an event. carried: the event without what the format cannot carry, as it must be parsed."""

    record: Record
    carried: Event


def as_native(event: Event) -> Written:
    return Written(Record(encode(event), 0), event)


def as_cloudevent(event: Event) -> Written:
    """Structured mode; the data has all that the attributes do not."""
    source, _, number = event.event_id.partition("#")
    data = {
        name: getattr(event, name) for name in event.__struct_fields__ if name not in ("event_id", "source")
    }
    envelope = {"specversion": "1.0", "id": number, "source": source, "type": "t", "data": data}
    return Written(Record(orjson.dumps(envelope), 0), event)


WRITERS: dict[str, Callable[[Event], Written]] = {
    "native": as_native,
    "canonical": as_native,
    "cloudevents": as_cloudevent,
}

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=256)
SOURCES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#"), min_size=1, max_size=40)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FILLED = TEXTS.filter(bool)
# As they are spelled in canonical events.
ACTIONS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).map(spell).filter(bool)


@st.composite
def valid_events(draw: st.DrawFn) -> Event:
    source = draw(SOURCES)
    return Event(
        event_id=f"{source}#{draw(st.integers(0, 10**9))}",
        user_id=draw(IDS),
        action=draw(ACTIONS),
        timestamp=draw(st.integers(LIMITS.min_timestamp_ms, LIMITS.max_timestamp_ms)),
        source=source,
        item_id=draw(st.none() | IDS),
        value=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        text=draw(st.none() | FILLED),
        media=draw(st.none() | st.lists(FILLED, max_size=3)),
        session_id=draw(st.none() | IDS),
        recommendation_id=draw(st.none() | IDS),
    )


def test_every_format_is_under_contract() -> None:
    assert WRITERS.keys() == PARSERS.keys()


@pytest.mark.parametrize("name", sorted(WRITERS))
@given(event=valid_events())
@settings(max_examples=50)
def test_a_valid_event_survives_the_way_through(name: str, event: Event) -> None:
    record, carried = WRITERS[name](event)
    (parsed,) = PARSERS[name](record, LIMITS)
    assert parsed == carried
    assert isinstance(parsed, Event)
    assert decode_canonical_batch([Record(encode(parsed), 0)], LIMITS) == [carried]


# --- any bytes ------------------------------------------------------------------------------------------------

ATTRIBUTES = ("specversion", "id", "source", "type", "data", "data_base64", "subject", "time", "partitionkey")
NAMES = (*Event.__struct_fields__, *ATTRIBUTES)
TEXTUAL = ["", "1.0", "\ud800", "\x00", "a\x7f", "x" * 9, "x" * 41, "x" * 300, "é", "e30=", "NaN", "Infinity"]
TIMES = ["2026-01-02T03:04:05Z", "2026-01-02t03:04:05.123456789z", "0001-01-01T00:00:00+23:59", "2026-13-01"]
INTEGERS = [0, -1, True, T0, 10**18, 2**64, 10**25, 10**400, -(10**4299), 10**5000]
NUMBERS = [*INTEGERS, 0.5, -0.0, 1.6e12, 1e308, float("nan"), float("inf")]
NESTED = [[], {}, [1], ["a"], {"user_id": "u"}, [[[[[["a"]]]]]]]
VALUES = [None, *TEXTUAL, *TIMES, *NUMBERS, *NESTED]

# Events that are right but for one field, in each format.
RIGHT: dict[str, Any] = {"user_id": "u", "action": "a", "timestamp": T0}
CANONICAL = {**RIGHT, "event_id": "e"}
ENVELOPE: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": RIGHT}
BINARY_MODE = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"s", "ce_type": b"t"}
BYTES = [None, b"", b"1.0", b"\xff\xfe", b"\x00", b"x" * 400, b"application/cloudevents+json", b"text/plain"]


# A valid record of each format, as the format's own adapter gives it.
EXAMPLES = {**{name: adapter(name).example for name in FORMATS}, "canonical": good_record()}
# What one byte of it is replaced by.
ODD_BYTES = (b"", b"\x00", b"\xff", b"-", b"0", b'"', b"  ")


def dump(value: Any) -> bytes:
    """JSON as the standard library writes it: with NaN, Infinity and lone surrogates, which JSON forbids."""
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(value).encode()
    finally:
        sys.set_int_max_str_digits(4300)


def one_wrong(value: Any) -> Iterator[Any]:
    """JSON in which one field, at any depth, is missing, wrong or unknown."""
    if isinstance(value, list):
        yield from (
            [*value[:at], wrong, *value[at + 1 :]]
            for at in range(len(value))
            for wrong in one_wrong(value[at])
        )
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        yield {other: given for other, given in value.items() if other != name}
        yield from ({**value, name: wrong} for wrong in (*VALUES, *one_wrong(inner)))
    yield from ({**value, name: wrong} for name, wrong in product(NAMES, VALUES) if name not in value)


def near_misses_of(name: str) -> Iterator[Record]:
    """The example of a format as it is, with one byte wrong, and with one field wrong where it is JSON."""
    right = EXAMPLES[name]
    yield Record(right, 0)
    for at in range(len(right)):
        yield Record(right[:at], 0)
        yield from (Record(right[:at] + odd + right[at + 1 :], 0) for odd in ODD_BYTES)
    try:
        loaded = json.loads(right)
    except ValueError:
        return
    yield from (Record(dump(wrong), 0) for wrong in one_wrong(loaded))


def foreign_misses() -> Iterator[Record]:
    """Near misses of native, canonical and CloudEvents, which every format meets."""
    for name, value in product(NAMES, VALUES):
        for right in (RIGHT, CANONICAL, ENVELOPE):
            yield Record(dump({**right, name: value}), 0)
        data = {**RIGHT, name: value}
        yield Record(dump({**ENVELOPE, "data": data}), 0)
        yield Record(dump({**ENVELOPE, "data": None, "data_base64": b64encode(dump(data)).decode()}), 0)
    for name, content in product([*BINARY_MODE, "CE_Time", "ce_subject", "content-type"], BYTES):
        headers: Any = list({**BINARY_MODE, name: content}.items())
        yield Record(dump(RIGHT), 0, headers=headers)
        yield Record(dump({"user_id": "u", "timestamp": None}), 0, headers=headers, timestamp=-1)
    for opening in (b"[", b'{"a":', b'{"data":['):
        yield from (Record(opening * levels, 0) for levels in (1, 33, 5000, 200_000))


NEAR_MISSES = list(foreign_misses())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
PAYLOADS = st.none() | st.binary(max_size=40) | JSON.map(dump)


def check(parse: Parser, record: Record, limits: Limits) -> None:
    """Events or reasons; and what one stage accepts, the next accepts: nothing is rejected twice over."""
    results = parse(record, limits)
    assert results
    for found in results:
        if isinstance(found, Rejected):
            assert found.reason in Reason
            assert found.message
        else:
            assert decode_canonical_batch([Record(encode(found), 0)], limits) == [found]


both_limits = pytest.mark.parametrize("limits", [LIMITS, TIGHT], ids=["usual", "tight"])
each_format = pytest.mark.parametrize("name", sorted(PARSERS))


@both_limits
@each_format
def test_one_wrong_field_gives_an_event_or_a_reason(name: str, limits: Limits) -> None:
    for record in (*NEAR_MISSES, *near_misses_of(name)):
        check(PARSERS[name], record, limits)


@each_format
def test_near_misses_of_a_format_are_events_and_rejections(name: str) -> None:
    """Were all of them refused, or all events, the test above would prove little of this format."""
    right, *wrong = near_misses_of(name)
    assert not any(isinstance(found, Rejected) for found in PARSERS[name](right, LIMITS))
    kinds = {type(found) for record in wrong for found in PARSERS[name](record, LIMITS)}
    assert kinds == {Event, Rejected}


@each_format
@given(payload=PAYLOADS)
@settings(max_examples=60)
def test_any_bytes_give_an_event_or_a_reason(name: str, payload: bytes | None) -> None:
    check(PARSERS[name], Record(payload, 0), LIMITS)


@both_limits
def test_the_short_way_decodes_like_the_long_way(limits: Limits) -> None:
    short = decode_canonical_batch(NEAR_MISSES, limits)
    assert short == [decode_canonical(record, limits) for record in NEAR_MISSES]
    assert {type(found) for found in short} == {Event, Rejected}


@given(payloads=st.lists(PAYLOADS, max_size=4), event=valid_events())
@settings(max_examples=60)
def test_the_short_way_decodes_any_bytes_like_the_long_way(payloads: list[Any], event: Event) -> None:
    records = [*(Record(payload, 0) for payload in payloads), as_native(event).record]
    assert decode_canonical_batch(records, LIMITS) == [decode_canonical(record, LIMITS) for record in records]


# --- runs -----------------------------------------------------------------------------------------------------

RUN_FORMATS = sorted(name for name in FORMATS if isinstance(adapter(name), RunAdapter))
# What shops send beside the canonical fields, and a field's name in escapes.
SHOPS = ("products", "items", "line_items", "lineItems", "quantity", "qty", "rating", "title", r"\u0071ty")
TITLED = {**RIGHT, "item_id": "i"}


def unusual_events() -> Iterator[Record]:
    """Native events with one more field each, some without an item and some that rate."""
    for name, value in product((*NAMES, *SHOPS), VALUES):
        for right in (TITLED, {**RIGHT, "text": "t"}, {**TITLED, "action": "rated", "event_id": "e"}):
            text = dump({**right, name: value})
            yield Record(text.replace(rb"\\u0071", rb"\u0071"), 0, timestamp=T0)


@pytest.mark.parametrize("name", RUN_FORMATS)
def test_records_read_together_are_as_each_by_itself(name: str) -> None:
    kinds, limits = set(), Limits(max_id_length=8, max_text_length=40)
    alone, together = adapter(name), adapter(name)
    assert isinstance(together, RunAdapter)
    for record in (*near_misses_of(name), *NEAR_MISSES, *unusual_events()):
        alone.forgiven.counts.clear()
        events, parsed = together.parse_run([record], limits), alone.parse(record, limits)
        kinds.add(type(events))
        # What is forgiven is counted, which only the long way does.
        assert events is None or (events == parsed and not alone.forgiven.counts), record.value
        assert not together.forgiven.counts
    assert kinds == {list, type(None)}


@pytest.mark.parametrize("name", RUN_FORMATS)
@given(event=valid_events())
def test_valid_events_are_read_together(name: str, event: Event) -> None:
    together = adapter(name)
    assert isinstance(together, RunAdapter)
    # Something is to be said of ratings without a value, of events about nothing, and of characters nobody prints.
    event.user_id, event.item_id, event.value, event.text, event.media = "u", "i", 1.0, "text", ["m"]
    event.event_id, event.source, event.session_id, event.recommendation_id = "s#1", "s", None, None
    # Two quotation marks in a row may be an empty string.
    event.action = spell(event.action.replace('"', "")) or "a"
    written = WRITERS[name](event)
    assert together.parse_run([written.record] * 3, LIMITS) == [written.carried] * 3
