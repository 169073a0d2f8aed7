"""The formats of behaviour topics: what each field may look like, and where it comes from."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.events.adapters import FORMATS, adapter
from streams.events.canonical import Event
from streams.events.rejections import Limits, Reason, Rejected
from tests.streams.flows import T0, Record

LIMITS = Limits()
RIGHT: dict[str, Any] = {"user_id": "u", "action": "view", "timestamp": T0}
ENVELOPE: dict[str, Any] = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "com.shop.view"}
BINARY = {"ce_specversion": "1.0", "ce_id": "7", "ce_source": "/shop", "ce_type": "com.shop.view"}
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=utf-8")]


def parse(name: str, record: Record) -> Event:
    (found,) = adapter(name).parse(record, LIMITS)
    assert isinstance(found, Event), found
    return found


def refused(name: str, record: Record) -> Reason:
    (found,) = adapter(name).parse(record, LIMITS)
    assert isinstance(found, Rejected), found
    assert found.stage == "ingest.decode"
    return found.reason


def native(**fields: Any) -> Record:
    return Record(orjson.dumps({**RIGHT, **fields}), 5, topic="clicks", partition=2, timestamp=T0 + 9)


def structured(**fields: Any) -> Record:
    return Record(
        orjson.dumps({**ENVELOPE, "data": RIGHT, **fields}), 5, headers=STRUCTURED, timestamp=T0 + 9
    )


def binary(data: dict[str, Any] | None = None, **headers: str) -> Record:
    pairs = [(name.replace("__", "-"), text.encode()) for name, text in {**BINARY, **headers}.items()]
    return Record(orjson.dumps(RIGHT if data is None else data), 5, headers=pairs, timestamp=T0 + 9)


# --- native ---------------------------------------------------------------------------------------------------


def test_integer_ids_become_decimal_text() -> None:
    event = parse("native", native(user_id=7, item_id=-42, session_id=2**63, event_id=0))
    assert (event.user_id, event.item_id, event.session_id) == ("7", "-42", "9223372036854775808")
    assert event.event_id == "0"


@pytest.mark.parametrize("given", [True, 1.5, ["u"], {"id": "u"}])
def test_other_types_are_no_ids(given: Any) -> None:
    assert refused("native", native(user_id=given)) == Reason.WRONG_TYPE


MOMENT = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-02T03:04:05Z", MOMENT),
        ("2026-01-02t03:04:05z", MOMENT),
        ("2026-01-02T03:04:05", MOMENT),
        ("2026-01-02T05:34:05+02:30", MOMENT),
        ("2026-01-02T03:04:05.678Z", MOMENT + 678),
        ("2026-01-02T03:04:05.678901234Z", MOMENT + 679),
        (MOMENT, MOMENT),
        (MOMENT + 0.75, MOMENT),
        (None, T0 + 9),
    ],
)
def test_a_timestamp_is_milliseconds_or_rfc_3339_or_the_records_own(given: Any, expected: int) -> None:
    assert parse("native", native(timestamp=given)).timestamp == expected


@pytest.mark.parametrize("given", ["yesterday", "1700000000000", "2026-13-01T00:00:00Z", True, [T0]])
def test_what_is_no_time_is_a_bad_timestamp(given: Any) -> None:
    assert refused("native", native(timestamp=given)) == Reason.BAD_TIMESTAMP


@pytest.mark.parametrize("stamp", [None, -1])
def test_an_event_without_any_time_is_rejected(stamp: Any) -> None:
    record = native(timestamp=None)
    record.timestamp = stamp
    assert refused("native", record) == Reason.MISSING_TIMESTAMP


def test_an_event_without_an_id_is_called_by_where_it_lies() -> None:
    assert parse("native", native()).event_id == "clicks-2-5"
    assert parse("native", native(event_id=None)).event_id == "clicks-2-5"


def test_every_canonical_field_is_read() -> None:
    given = {
        "event_id": "e",
        "source": "app",
        "item_id": "i",
        "value": 2,
        "text": "red",
        "media": ["s3://a/b.png"],
        "session_id": "s",
        "recommendation_id": "1-0-5-1-u",
    }
    assert parse("native", native(**given)) == Event(user_id="u", action="view", timestamp=T0, **given)


@pytest.mark.parametrize(
    ("field", "given", "expected"),
    [
        ("user_id", None, Reason.MISSING_USER),
        ("action", None, Reason.MISSING_ACTION),
        ("action", 1, Reason.WRONG_TYPE),
        ("value", "two", Reason.WRONG_TYPE),
        ("value", True, Reason.WRONG_TYPE),
        ("text", ["red"], Reason.WRONG_TYPE),
        ("media", [["s3://a"]], Reason.WRONG_TYPE),
        ("source", {}, Reason.WRONG_TYPE),
    ],
)
def test_a_wrong_field_is_named(field: str, given: Any, expected: Reason) -> None:
    (found,) = adapter("native").parse(native(**{field: given}), LIMITS)
    assert isinstance(found, Rejected)
    assert found.reason == expected
    assert field in found.message


# --- CloudEvents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [structured(), binary()], ids=["structured", "binary"])
def test_both_modes_say_the_same(record: Record) -> None:
    assert parse("cloudevents", record) == Event("/shop#7", "u", "view", T0, "/shop")


def test_attributes_fill_what_the_data_leaves_out() -> None:
    moment = {"time": "2026-01-02T03:04:05Z", "subject": "i9", "partitionkey": "u9"}
    expected = Event("/shop#7", "u9", "view", MOMENT, "/shop", item_id="i9")
    assert parse("cloudevents", structured(data={"action": None, "user_id": None}, **moment)) == expected
    assert parse("cloudevents", structured(data=None, **moment)) == expected
    headers = {f"ce_{name}": text for name, text in moment.items()}
    assert parse("cloudevents", binary({}, **headers)) == expected


def test_the_data_goes_before_the_attributes_but_for_id_and_source() -> None:
    data = {**RIGHT, "item_id": "mine", "action": "buy", "event_id": "e", "source": "s"}
    event = parse(
        "cloudevents", structured(data=data, subject="other", partitionkey="v", time="2026-01-02T00:00:00Z")
    )
    assert event == Event("/shop#7", "u", "buy", T0, "/shop", item_id="mine")


def test_without_any_time_the_records_own_counts() -> None:
    assert parse("cloudevents", binary({"user_id": "u"})).timestamp == T0 + 9


def test_data_may_be_base64() -> None:
    encoded = b64encode(orjson.dumps(RIGHT)).decode()
    assert parse("cloudevents", structured(data=None, data_base64=encoded)).user_id == "u"


@pytest.mark.parametrize("given", ["no base64!", "YQ", 5, ["YQ=="]])
def test_what_is_no_base64_is_a_bad_envelope(given: Any) -> None:
    assert refused("cloudevents", structured(data_base64=given)) == Reason.BAD_ENVELOPE


def test_hidden_depth_in_base64_is_found() -> None:
    encoded = b64encode(b"[" * 5000).decode()
    assert refused("cloudevents", structured(data=None, data_base64=encoded)) == Reason.TOO_DEEP


@pytest.mark.parametrize("data", ["text", [1], 5, False, ""])
def test_data_that_is_no_object_is_a_bad_envelope(data: Any) -> None:
    assert refused("cloudevents", structured(data=data)) == Reason.BAD_ENVELOPE


def test_other_encodings_are_not_read() -> None:
    headers = [("content-type", b"application/cloudevents+avro")]
    assert refused("cloudevents", Record(b"[]", 0, headers=headers)) == Reason.UNSUPPORTED_CONTENT_TYPE


def test_binary_data_must_be_json() -> None:
    assert refused("cloudevents", binary(content__type="text/plain")) == Reason.UNSUPPORTED_CONTENT_TYPE
    assert parse("cloudevents", binary(content__type="application/vnd.shop+json; charset=utf-8"))


@pytest.mark.parametrize("version", ["0.3", "1.1", ""])
def test_another_version_is_refused(version: str) -> None:
    assert refused("cloudevents", structured(specversion=version)) == Reason.BAD_ENVELOPE
    assert refused("cloudevents", binary(ce_specversion=version)) == Reason.BAD_ENVELOPE


@pytest.mark.parametrize("attribute", ["id", "source", "type"])
def test_a_required_attribute_is_named_where_it_is_missing(attribute: str) -> None:
    (found,) = adapter("cloudevents").parse(structured(**{attribute: ""}), LIMITS)
    assert isinstance(found, Rejected)
    assert found.reason == Reason.BAD_ENVELOPE
    assert attribute in found.message


def test_a_record_without_envelope_is_no_cloud_event() -> None:
    assert refused("cloudevents", Record(orjson.dumps(RIGHT), 0)) == Reason.BAD_ENVELOPE


def test_header_names_are_read_in_any_case_and_the_last_one_counts() -> None:
    headers = [(name.upper(), text.encode()) for name, text in BINARY.items()]
    record = Record(orjson.dumps(RIGHT), 0, headers=[("ce_id", b"0"), *headers])
    assert parse("cloudevents", record).event_id == "/shop#7"


def test_long_sources_still_make_distinct_ids() -> None:
    ids = {
        parse("cloudevents", structured(source="s" * 300, id=number)).event_id for number in ("1", "2", "1")
    }
    assert len(ids) == 2


def test_an_event_that_its_headers_make_too_large_is_rejected_where_it_came_in() -> None:
    record = binary(ce_source="s" * 400)
    (found,) = adapter("cloudevents").parse(record, Limits(max_bytes=400))
    assert isinstance(found, Rejected)
    assert found.reason == Reason.TOO_LARGE


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=", ".join((*FORMATS, *FORMATS.reserved))):
        adapter("avro")
