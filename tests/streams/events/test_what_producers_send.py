"""What producers really send: orders, half emojis, empty fields, wrappings, and what they probably meant."""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.catalog.items import Item, decode_item
from streams.events.adapters import adapter
from streams.events.adapters.base import build_all
from streams.events.adapters.cloudevents import STRUCTURED, action_of
from streams.events.canonical import Event, encode
from streams.events.decoding import decode_canonical, decode_canonical_batch
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.near_misses import MEANT
from streams.events.rejections import Limits, Reason, Rejected
from streams.events.wrappings import whole_characters
from tests.streams.flows import T0, Record

LIMITS = Limits()
CLICK: dict[str, Any] = {"user_id": "u", "item_id": "mug", "action": "click", "timestamp": T0}
PURCHASE: dict[str, Any] = {"user_id": "u", "action": "purchase", "timestamp": T0}
CANONICAL: dict[str, Any] = {**CLICK, "event_id": "e"}
HALF = "love it \ud83d"


def raw(value: Any) -> bytes:
    """JSON as a producer writes it, with lone surrogates escaped."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def parse(value: Any, limits: Limits = LIMITS, name: str = "native", **record: Any) -> list[Event | Rejected]:
    return adapter(name).parse(Record(raw(value), 5, topic="clicks", timestamp=T0 + 9, **record), limits)


def event(value: Any, **options: Any) -> Event:
    (found,) = parse(value, **options)
    assert isinstance(found, Event), found
    return found


def refused(value: Any, **options: Any) -> Rejected:
    (found,) = parse(value, **options)
    assert isinstance(found, Rejected), found
    return found


# --- several events per record --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["products", "items", "line_items"])
def test_an_order_of_several_products_is_one_event_for_each(name: str) -> None:
    products = [
        {"item_id": "mug", "quantity": 2, "price": 9.5},
        {"product_id": 7},
        {"sku": "x", "qty": "-1"},
        "pot",
    ]
    found = parse({**PURCHASE, "value": 59.9, "session_id": "s", name: products, "event_id": "o1"})
    assert found == [
        Event(f"o1#{index}", "u", "purchase", T0, item_id=item, value=value, session_id="s")
        for index, (item, value) in enumerate([("mug", 2), ("7", None), ("x", -1), ("pot", None)])
    ]


def test_without_an_id_of_its_own_an_order_is_called_by_where_it_lies() -> None:
    found = parse({**PURCHASE, "products": ["a", "b"]})
    assert [one.event_id for one in found if isinstance(one, Event)] == ["clicks-0-5#0", "clicks-0-5#1"]


def test_one_bad_product_leaves_the_others_alone_and_keeps_their_places() -> None:
    products: list[Any] = ["a", None, {"name": "no id"}, {"item_id": "b", "quantity": "two"}, "c"]
    found = parse({**PURCHASE, "products": products})
    reasons = [one.reason if isinstance(one, Rejected) else one.item_id for one in found]
    assert reasons == ["a", Reason.WRONG_TYPE, Reason.MISSING_ITEM, Reason.WRONG_TYPE, "c"]
    assert [one.message.partition(" ")[0].rstrip(":") for one in found if isinstance(one, Rejected)] == [
        "products[1]",
        "products[2]",
        "products[3]",
    ]


def test_an_order_of_no_product_says_so() -> None:
    found = refused({**PURCHASE, "products": []})
    assert (found.reason, "products is an empty list" in found.message) == (Reason.MISSING_ITEM, True)


def test_messages_call_the_list_as_its_producer_does() -> None:
    def parse_lines(lines: list[Any]) -> list[Event | Rejected]:
        fields = Fields({**PURCHASE, "products": lines}, Forgiven())
        return build_all(Record(b"", 5), LIMITS, fields, None, listed_as="order.lines")

    _, problem = parse_lines(["mug", {}])
    assert isinstance(problem, Rejected)
    assert problem.message.startswith("order.lines[1] names no item")
    with pytest.raises(Invalid, match="is an empty list"):
        parse_lines([])


def test_an_item_goes_before_a_list_and_results_of_a_search_are_no_events() -> None:
    assert event({**CLICK, "products": ["other"]}).item_id == "mug"
    assert event({**PURCHASE, "action": "search", "text": "red", "items": ["a", "b"]}).item_id is None


@pytest.mark.parametrize("count", [3, 4])
def test_a_record_holds_so_many_events_at_most(count: int) -> None:
    found = parse({**PURCHASE, "products": ["a"] * count}, Limits(max_events=3))
    if count == 3:
        assert len(found) == 3
        assert all(isinstance(one, Event) for one in found)
    else:
        (problem,) = found
        assert isinstance(problem, Rejected)
        assert problem.reason == Reason.TOO_MANY_EVENTS
        assert "INTERESTFLOW_LIMIT_EVENTS" in problem.message


def test_the_data_of_a_cloud_event_may_be_an_order_whose_subject_is_the_order() -> None:
    envelope = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "com.shop.order.completed.v1"}
    envelope |= {
        "subject": "order-1",
        "partitionkey": "u",
        "data": {"products": [{"id": "mug"}, {"id": "pot"}]},
    }
    found = parse(envelope, name="cloudevents")
    assert [(one.event_id, one.item_id, one.action) for one in found if isinstance(one, Event)] == [
        ("/shop#7#0", "mug", "order_completed"),
        ("/shop#7#1", "pot", "order_completed"),
    ]


def test_the_members_of_a_batch_are_events_of_one_record() -> None:
    member = {"specversion": "1.0", "source": "/s", "type": "a.click", "subject": "mug", "partitionkey": "u"}
    members: list[Any] = [{**member, "id": "1"}, 5, member, {**member, "id": "2"}]
    headers = [("content-type", b"application/cloudevents-batch+json")]
    found = parse(members, name="cloudevents", headers=headers)
    assert [one.event_id if isinstance(one, Event) else one.reason for one in found] == [
        *("/s#1", Reason.BAD_ENVELOPE, Reason.BAD_ENVELOPE, "/s#2")
    ]
    assert refused([], name="cloudevents", headers=headers).reason == Reason.BAD_ENVELOPE


def test_a_products_own_action_counts() -> None:
    products = [{"item_id": "mug"}, {"item_id": "hat", "action": "refund"}, {"item_id": "x", "action": 5}]
    bought, back, wrong = parse({"user_id": "u", "action": "purchase", "products": products})
    assert isinstance(bought, Event)
    assert isinstance(back, Event)
    assert (bought.action, back.action) == ("purchase", "refund")
    assert isinstance(wrong, Rejected)
    assert (wrong.reason, "products[2]: action" in wrong.message) == (Reason.WRONG_TYPE, True)


@pytest.mark.parametrize(
    ("more", "read", "unread"),
    [
        ({"item_id": "mug", "products": ["hat"]}, ["mug"], ["products"]),
        ({"products": ["mug"], "items": ["hat"]}, ["mug"], ["items"]),
        ({"products": ["mug"], "items": ["mug"]}, ["mug"], []),
        ({"item_id": "mug", "action": "search", "text": "hats", "items": ["hat"]}, ["mug"], []),
    ],
)
def test_a_list_that_is_not_read_is_told_by_its_name(
    more: dict[str, Any], read: list[str], unread: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    native = adapter("native")
    value = {"user_id": "u", "action": "click", "timestamp": T0, **more}
    found = native.parse(Record(raw(value), 0), LIMITS)
    assert [one.item_id for one in found if isinstance(one, Event)] == read
    assert native.forgiven.counts == {(name, "not_read"): 1 for name in unread}
    assert [f"`{name}` is not read" in caplog.text for name in unread] == [True] * len(unread)


@pytest.mark.parametrize(("more", "order"), [({"products": ["mug"]}, True), ({"items": []}, False)])
def test_an_order_in_a_canonical_topic_is_refused(more: dict[str, Any], order: bool) -> None:
    value = {"event_id": "e", "user_id": "u", "action": "purchase", "timestamp": T0, **more}
    records = [Record(raw(value), 0), Record(raw({**value, "item_id": "mug"}), 1)]
    found, other = decode_canonical_batch(records, LIMITS)
    assert isinstance(found, Rejected) is order
    assert isinstance(other, Event)
    assert not isinstance(found, Rejected) or "products" in found.message


# --- CloudEvents as the SDKs write them -------------------------------------------------------------------------

BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"a.click")]


def test_the_records_key_is_the_user_where_nothing_else_names_one() -> None:
    assert event({"value": 1}, name="cloudevents", headers=BINARY, key=b"u1").user_id == "u1"
    both = [*BINARY, ("ce_partitionkey", b"u2")]
    assert event({"value": 1}, name="cloudevents", headers=both, key=b"u1").user_id == "u2"
    assert event({"user_id": "u3"}, name="cloudevents", headers=both, key=b"u1").user_id == "u3"
    structured = [("content-type", STRUCTURED.encode())]
    envelope = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.click", "data": {"user_id": ""}}
    assert event(envelope, name="cloudevents", headers=structured, key=b"u1").user_id == "u1"


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_key_that_is_no_text_is_no_user(key: bytes | None) -> None:
    assert refused({"value": 1}, name="cloudevents", headers=BINARY, key=key).reason == Reason.MISSING_USER


@pytest.mark.parametrize("name", ["ce_partitionkey", "ce_subject", "CE_Id", "ce_type"])
def test_an_attribute_in_a_header_that_is_not_utf8_is_refused_by_its_name(name: str) -> None:
    headers = [*BINARY, (name, b"Ren\xe9")]
    found = refused({"value": 1}, name="cloudevents", headers=headers, key=b"u1")
    assert found.reason == Reason.NOT_UTF8
    assert name in found.message


@pytest.mark.parametrize("value", [None, b""])
@pytest.mark.parametrize("content_type", [[], [("content-type", b"text/plain")]])
def test_a_binary_event_needs_no_data(value: bytes | None, content_type: list[tuple[str, bytes]]) -> None:
    headers = [*BINARY, ("ce_subject", b"mug"), *content_type]
    (found,) = adapter("cloudevents").parse(Record(value, 0, key=b"u1", headers=headers), LIMITS)
    assert isinstance(found, Event)
    assert (found.user_id, found.action, found.item_id, found.event_id) == ("u1", "click", "mug", "/s#1")
    (wrong,) = adapter("cloudevents").parse(Record(value, 0, headers=headers), LIMITS)
    assert isinstance(wrong, Rejected)
    assert wrong.reason == Reason.MISSING_USER


@pytest.mark.parametrize("headers", [[], [("ce_specversion", b"1.0"), ("content-type", STRUCTURED.encode())]])
def test_a_value_is_missing_where_the_event_should_be_in_it(headers: list[tuple[str, bytes]]) -> None:
    (found,) = adapter("cloudevents").parse(Record(None, 0, headers=headers), LIMITS)
    assert isinstance(found, Rejected)
    assert found.reason == Reason.EMPTY_VALUE


def test_a_header_that_is_not_read_may_hold_any_bytes() -> None:
    headers = [*BINARY, ("ce_traceparent", b"\xe9"), ("other", b"\xff")]
    assert event({"value": 1}, name="cloudevents", headers=headers, key=b"u1").user_id == "u1"


def test_a_key_that_is_not_utf8_is_named_where_it_should_name_the_user() -> None:
    found = refused({"value": 1}, name="cloudevents", headers=BINARY, key=b"Ren\xe9")
    assert (found.reason, "key is not UTF-8" in found.message) == (Reason.MISSING_USER, True)
    assert event({"user_id": "u"}, name="cloudevents", headers=BINARY, key=b"\xff").user_id == "u"


@pytest.mark.parametrize(
    "version",
    ["", ".v2", ".v1.2", ".V3", ".2025-06-01", ".v1beta1", ".1.0", "/v2", "-v2", "_v2", ".v2.2025-06-01"],
)
def test_a_version_at_the_end_of_a_type_is_no_action(version: str) -> None:
    assert action_of(f"com.shop.item.purchase{version}") == "purchase"


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("com.shop.cart.removed.v1", "cart_removed"),
        ("com.shop.order.completed", "order_completed"),
        ("com.example.object.deleted.v2", "deleted"),
        ("io.shop/like", "like"),
        ("click", "click"),
        ("v2", "v2"),
    ],
)
def test_the_action_is_the_last_word_of_a_type_or_a_known_pair(kind: str, action: str) -> None:
    assert action_of(kind) == action


# --- optional fields ----------------------------------------------------------------------------------------------

# What each optional field makes of a value: a right value, or the reason.
UNDERSTOOD: dict[str, dict[str, Any]] = {
    "source": {"": "", "2": "2", "two": "2", "half": "love it \ufffd"},
    "value": {"": None, "2": 2.0, "two": 2.0, "half": Reason.WRONG_TYPE},
    "text": {"": None, "2": "2", "two": "2", "half": "love it \ufffd"},
    "media": {"": None, "2": ["2"], "two": ["2"], "half": ["love it \ufffd"]},
    "session_id": {"": None, "2": "2", "two": "2", "half": "love it \ufffd"},
    "recommendation_id": {"": None, "2": "2", "two": "2", "half": "love it \ufffd"},
}
GIVEN: dict[str, Any] = {"": "", "2": "2", "two": 2, "half": HALF}


@pytest.mark.parametrize("field", UNDERSTOOD)
@pytest.mark.parametrize("given", GIVEN)
def test_an_optional_field_is_understood_where_it_means_one_thing(field: str, given: str) -> None:
    expected = UNDERSTOOD[field][given]
    if isinstance(expected, Reason):
        found = refused({**CLICK, field: GIVEN[given]})
        assert (found.reason, found.message.startswith(field)) == (expected, True)
        return
    assert getattr(event({**CLICK, field: GIVEN[given]}), field) == expected
    assert event({**CLICK, field: None}) == event(CLICK)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.just(HALF),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(field=st.sampled_from(sorted(UNDERSTOOD)), given=JUNK)
@settings(max_examples=150)
def test_whatever_an_optional_field_holds_the_event_is_kept_or_the_field_named(
    field: str, given: Any
) -> None:
    (found,) = parse({**CLICK, field: given})
    if isinstance(found, Rejected):
        assert field in found.message
    else:
        assert decode_canonical(Record(encode(found), 0), LIMITS) == found


@pytest.mark.parametrize(
    "field", ["event_id", "item_id", "session_id", "recommendation_id", "timestamp", "value"]
)
def test_an_empty_field_is_as_absent(field: str) -> None:
    without = {name: value for name, value in CLICK.items() if name != field}
    assert event({**without, field: "", "text": "x"}) == event({**without, "text": "x"})


def test_what_was_forgiven_is_counted_by_field_and_kind() -> None:
    native = adapter("native")
    value = {**CLICK, "session_id": "", "value": "2", "media": "a", "text": None}
    native.parse(Record(raw(value), 0), LIMITS)
    native.parse(Record(b"\xef\xbb\xbf" + raw(CLICK), 0), LIMITS)
    assert native.forgiven.counts == {
        ("session_id", "empty"): 1,
        ("value", "number_in_string"): 1,
        ("media", "one_for_list"): 1,
        ("text", "null"): 1,
        ("value", "byte_order_mark"): 1,
    }


def test_a_field_that_nobody_sent_is_no_null() -> None:
    events = adapter("cloudevents")
    (found,) = events.parse(Record(raw({"value": 1}), 0, key=b"u", headers=BINARY, timestamp=T0), LIMITS)
    assert isinstance(found, Event)
    forgiven = Forgiven()
    assert isinstance(decode_canonical(Record(raw(CLICK), 0), LIMITS, forgiven), Event)
    assert (dict(events.forgiven.counts), dict(forgiven.counts)) == ({("item_id", "nothing_to_learn"): 1}, {})
    decode_canonical(Record(raw({**CLICK, "event_id": None}), 0), LIMITS, forgiven)
    assert forgiven.counts == {("event_id", "null"): 1}


@pytest.mark.parametrize("value", [-2, "-2"])
def test_a_quantity_by_its_own_name_is_the_value(value: Any) -> None:
    assert event({**CLICK, "action": "purchase", "quantity": value}).value == -2
    assert event({**CLICK, "value": 3, "quantity": value}).value == 3


@pytest.mark.parametrize("name", ["rating", "score", "stars"])
def test_a_rating_by_another_name_is_told(name: str, caplog: pytest.LogCaptureFixture) -> None:
    native = adapter("native")
    for _ in range(2):
        (found,) = native.parse(Record(raw({**CLICK, "action": "rate", name: 1}), 0), LIMITS)
    assert isinstance(found, Event)
    assert (found.value, native.forgiven.counts) == (None, {("value", "not_read"): 2})
    assert caplog.text.count(f"`{name}` is not read as a rating, so it moves nothing: name it `value`") == 1


# --- half characters ----------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=()), max_size=12))
@settings(max_examples=200)
def test_half_characters_become_replacements_and_nothing_else_changes(text: str) -> None:
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert json.loads(whole_characters(json.dumps(text).encode())) == whole
    assert (
        json.loads(whole_characters(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")))
        == whole
    )


@pytest.mark.parametrize("field", ["user_id", "item_id", "action", "event_id"])
def test_an_id_of_half_characters_is_refused(field: str) -> None:
    for found in (
        refused({**CLICK, field: HALF}),
        decode_canonical(Record(raw({**CANONICAL, field: HALF}), 0), LIMITS),
    ):
        assert isinstance(found, Rejected)
        assert found.reason == Reason.NOT_UTF8
        assert field in found.message
        assert "surrogate" in found.message


def test_a_canonical_text_cut_within_a_character_is_kept() -> None:
    found = decode_canonical(Record(raw({**CANONICAL, "text": HALF}), 0), LIMITS)
    assert isinstance(found, Event)
    assert found.text == "love it \ufffd"


@pytest.mark.parametrize("field", ["item_id", "session_id", "recommendation_id"])
def test_an_empty_id_of_a_canonical_event_is_absent(field: str) -> None:
    found = decode_canonical(Record(raw({**CANONICAL, field: ""}), 0), LIMITS)
    assert isinstance(found, Event)
    assert getattr(found, field) is None


@pytest.mark.parametrize("given", [{}, {"event_id": ""}, {"event_id": None}])
def test_a_canonical_event_without_id_is_called_by_where_it_lies(given: dict[str, Any]) -> None:
    found = decode_canonical(Record(raw({**CLICK, **given}), 7), LIMITS)
    assert isinstance(found, Event)
    assert found.event_id == "behavior.events.v1-0-7"


# --- items --------------------------------------------------------------------------------------------------------

ITEMS: list[tuple[Any, Item]] = [
    ({"item_id": 41, "title": "Red"}, Item("41", "Red")),
    ({"item_id": "i", "title": "Red", "description": None}, Item("i", "Red")),
    ({"item_id": "i", "categories": "kitchen"}, Item("i", categories=["kitchen"])),
    ({"item_id": "i", "categories": ""}, Item("i")),
    ({"item_id": "i", "categories": None, "media": None, "hidden": None}, Item("i")),
    ({"item_id": "i", "categories": [{"name": "kitchen"}, "", 7]}, Item("i", categories=["kitchen", "7"])),
    ({"item_id": "i", "media": {"url": "a.jpg"}}, Item("i", media=["a.jpg"])),
    ({"item_id": "i", "title": 1984, "hidden": 0}, Item("i", "1984")),
    ({"item_id": "i", "hidden": "true", "price": {"amount": 1}}, Item("i", hidden=True)),
    (
        {"item_id": "i", "hidden": 1, "description": HALF},
        Item("i", description="love it \ufffd", hidden=True),
    ),
    (b"\x00\x00\x00\x00\x0c" + raw({"item_id": "i"}), Item("i")),
    (b"\xef\xbb\xbf" + raw({"item_id": "i"}), Item("i")),
]


@pytest.mark.parametrize(("value", "expected"), ITEMS)
def test_an_item_is_understood_as_a_shop_exports_it(value: Any, expected: Item) -> None:
    assert decode_item(Record(raw(value), 0, key=expected.item_id.encode()), LIMITS) == expected


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("title", []),
        ("description", True),
        ("categories", [[1]]),
        ("categories", [{}]),
        ("hidden", "maybe"),
        ("media", [True]),
    ],
)
def test_a_field_of_an_item_that_is_not_understood_is_named(field: str, given: Any) -> None:
    found = decode_item(Record(raw({"item_id": "i", field: given}), 0), LIMITS)
    assert isinstance(found, Rejected)
    assert (found.reason, field in found.message) == (Reason.WRONG_TYPE, True)


@pytest.mark.parametrize("name", ["id", "itemId", "product_id", "SKU"])
def test_an_item_without_id_is_asked_for_what_was_meant(name: str) -> None:
    found = decode_item(Record(raw({name: "i"}), 0), LIMITS)
    assert isinstance(found, Rejected)
    assert f"did you mean `{name}`?" in found.message


# --- what was meant -----------------------------------------------------------------------------------------------

FORMS = [str.upper, str.title, lambda name: f"{name[:2]}_{name[2:]}"]


@pytest.mark.parametrize("field", ["user_id", "action"])
def test_a_missing_field_is_asked_for_by_the_name_that_was_probably_meant(field: str) -> None:
    for name in [form(name) for name in sorted(MEANT[field]) for form in FORMS]:
        if name == field:
            continue
        value = {key: given for key, given in CLICK.items() if key != field} | {name: "x"}
        assert f"did you mean `{name}`?" in refused(value).message
        canonical = decode_canonical(Record(raw({**value, "event_id": "e"}), 0), LIMITS)
        assert isinstance(canonical, Rejected)
        assert f"did you mean `{name}`?" in canonical.message


@pytest.mark.parametrize("name", ["itemId", "product_id", "productId", "sku", "Item ID"])
@pytest.mark.parametrize("action", ["purchase", "view"])
def test_an_item_by_another_name_is_no_neutral_event(name: str, action: str) -> None:
    found = refused({**PURCHASE, "action": action, name: "mug"})
    assert (found.reason, f"did you mean `{name}`?" in found.message) == (Reason.MISSING_ITEM, True)


@pytest.mark.parametrize(
    "action", ["purchase", "Order Completed", "refund", "add_to_cart", "remove_from_cart"]
)
def test_an_order_without_item_is_refused_and_a_visit_is_counted(action: str) -> None:
    assert refused({**PURCHASE, "action": action}).reason == Reason.MISSING_ITEM
    native = adapter("native")
    assert native.parse(Record(raw({**PURCHASE, "action": "view"}), 0), LIMITS)[0]
    assert native.forgiven.counts["item_id", "nothing_to_learn"] == 1


def test_a_time_by_another_name_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    native = adapter("native")
    value = {name: given for name, given in CLICK.items() if name != "timestamp"} | {"ts": 5}
    for offset in range(3):
        (found,) = native.parse(Record(raw(value), offset, timestamp=T0), LIMITS)
        assert isinstance(found, Event)
        assert found.timestamp == T0
    assert native.forgiven.counts["timestamp", "not_read"] == 3
    (line,) = caplog.messages
    assert "`ts`" in line


# --- wrappings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [b"\x00\x00\x00\x00\x0c", b"\x00" * 8 + b"\x0c", b"\xef\xbb\xbf", b"\x00\x00\x00\x00\x0c\xef\xbb\xbf"],
)
def test_a_framing_of_json_is_read(before: bytes) -> None:
    assert event(before + raw(CLICK)) == event(CLICK)
    canonical = decode_canonical(Record(before + raw(CANONICAL), 0), LIMITS)
    assert canonical == decode_canonical(Record(raw(CANONICAL), 0), LIMITS)


TRACK = {"type": "track", "event": "Order Completed", "userId": "u", "properties": {"products": []}}
NAMED: list[tuple[Any, Reason, str]] = [
    (b"\x00\x00\x00\x00\x0c\x02\x08u", Reason.FOREIGN_FORMAT, "Avro"),
    (b"\x00\x00\x00\x00\x0c\x00\x0a\x01u", Reason.FOREIGN_FORMAT, "Protobuf"),
    (b"\x00\x00\x00\x00\x0c\x7b" + b"x" * 61, Reason.NOT_JSON, "not JSON"),
    (gzip.compress(raw(CLICK), mtime=0), Reason.FOREIGN_FORMAT, "gzip"),
    (json.dumps(CLICK).encode("utf-16"), Reason.NOT_UTF8, "UTF-16"),
    (b64encode(raw(CLICK)), Reason.FOREIGN_FORMAT, "base64"),
    (zlib.compress(raw(CLICK)), Reason.FOREIGN_FORMAT, "zlib"),
    (zlib.compress(raw(CLICK), 1), Reason.FOREIGN_FORMAT, "zlib"),
    (b"\x04\x22\x4d\x18\x64", Reason.FOREIGN_FORMAT, "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", Reason.FOREIGN_FORMAT, "snappy"),
    (b"\x82SNAPPY\x00\x00\x00\x00\x01", Reason.FOREIGN_FORMAT, "snappy"),
    (b"\x01" + b"\n" * 16 + raw(CLICK), Reason.FOREIGN_FORMAT, "GUID"),
    (b"\x03\x00" + b"g" * 16 + raw(CLICK), Reason.FOREIGN_FORMAT, "AWS Glue"),
    (b"\x03\x05" + b"g" * 16 + zlib.compress(raw(CLICK)), Reason.FOREIGN_FORMAT, "AWS Glue"),
    (b"\x84\xa7user_id\xa2u1\xa6action\xa5click", Reason.FOREIGN_FORMAT, "MessagePack"),
    (b"\xa2\x67user_id\x62u1\x66action\x65click", Reason.FOREIGN_FORMAT, "CBOR"),
    (b"\n<?xml version='1.0'?><event/>", Reason.FOREIGN_FORMAT, "XML"),
    (b"\xef\xbb\xbf<event><user>u</user></event>", Reason.FOREIGN_FORMAT, "XML"),
    (raw(b64encode(raw(CLICK)).decode()), Reason.NOT_AN_OBJECT, "base64"),
    (raw(json.dumps(CLICK)), Reason.NOT_AN_OBJECT, "encoded twice"),
    ([CLICK], Reason.NOT_AN_OBJECT, "array"),
    ({"schema": {"type": "struct"}, "payload": CLICK}, Reason.FOREIGN_FORMAT, "schemas.enable=false"),
    ({"before": None, "after": CLICK, "op": "c"}, Reason.FOREIGN_FORMAT, "Debezium"),
    (
        {"schema": {}, "payload": {"before": None, "after": CLICK, "op": "c"}},
        Reason.FOREIGN_FORMAT,
        "Debezium",
    ),
    (TRACK, Reason.FOREIGN_FORMAT, "Segment track call"),
    ({"specversion": "1.0", "id": "1", "source": "s", "type": "t"}, Reason.FOREIGN_FORMAT, "cloudevents"),
    (raw(CLICK).replace(b'"click"', b"NaN"), Reason.NOT_FINITE, "NaN"),
]


@pytest.mark.parametrize(("value", "reason", "said"), NAMED)
def test_a_wrapping_that_is_not_read_is_named(value: Any, reason: Reason, said: str) -> None:
    found = refused(value)
    assert (found.reason, said in found.message) == (reason, True), found
    item = decode_item(Record(raw(value), 0), LIMITS)
    assert isinstance(item, Rejected)
