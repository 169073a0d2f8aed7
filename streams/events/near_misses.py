"""What a producer plausibly meant: fields of other names, and objects of other formats that are recognised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Names in small letters without separators, as they stand for a field of ours elsewhere.
_MEANT = {
    "user_id": (
        "userid user uid userkey customerid customer memberid member visitorid accountid account profileid "
        "subscriberid anonymousid distinctid clientid externalid username"
    ),
    "action": (
        "action actiontype actionname eventtype eventname event type verb activity interaction interactiontype "
        "behavior behaviour behaviortype"
    ),
    "item_id": (
        "itemid item product productid sku articleid article contentid content songid trackid videoid movieid "
        "filmid bookid asin variantid listingid postid objectid entityid skuid goodsid itemids productids"
    ),
    "value": "rating score stars rate ratingvalue starrating",
    "timestamp": (
        "timestamp ts time eventtime eventtimestamp timestampms timems tsms datetime date createdat occurredat "
        "sentat receivedat clienttime unixtime eventdate"
    ),
}
MEANT = {field: frozenset(names.split()) for field, names in _MEANT.items()}
# An item's own id is often plain `id`.
ITEM_NAMES = MEANT["item_id"] | {"id"}
LONGEST = 40
# Fields with the list of an order's products; the first that is filled counts.
LISTS = ("products", "items", "line_items", "lineItems")


def meant(given: Mapping[str, Any], field: str, names: frozenset[str] | None = None) -> str | None:
    """The name of a filled field that plausibly means `field`, or None."""
    wanted = MEANT[field] if names is None else names
    for name, value in given.items():
        if value is None or value == "" or name == field or len(name) > LONGEST:
            continue
        if name.replace("_", "").replace("-", "").replace(" ", "").lower() in wanted:
            return name
    return None


def hint(given: Mapping[str, Any], field: str, names: frozenset[str] | None = None) -> str:
    """`; did you mean …?` where there is such a field, else nothing."""
    name = meant(given, field, names)
    return "" if name is None else f"; did you mean `{printable(name)}`?"


def printable(name: str) -> str:
    """A producer's name as it is told."""
    return name if name.isprintable() else ascii(name)[1:-1]


def recognised(given: Mapping[str, Any]) -> str | None:
    """What an object without our fields looks like, and what to do about it; None where it is not known."""
    payload = given.get("payload")
    inner = payload if isinstance(payload, dict) else given
    if "op" in inner and ("before" in inner or "after" in inner):
        return (
            "the value looks like a Debezium change event (before, after, op): use its transform "
            "ExtractNewRecordState, so that the row itself is sent"
        )
    if "schema" in given and "payload" in given:
        return (
            "the value looks like Kafka Connect's JSON with a schema (schema, payload): set "
            "value.converter.schemas.enable=false in the connector"
        )
    return _tracker(given)


def _tracker(given: Mapping[str, Any]) -> str | None:
    kind = given.get("type")
    if kind in ("track", "page", "screen", "identify", "group", "alias") and (
        "userId" in given or "anonymousId" in given
    ):
        return (
            f"the value looks like a Segment {kind} call: send userId as user_id, event as action, and the fields of "
            f"properties beside them"
        )
    if "specversion" in given and "source" in given:
        return (
            "the value looks like a CloudEvent: give the topic the format cloudevents (INTERESTFLOW_SOURCES)"
        )
    if isinstance(given.get("properties"), dict) and "event" in given:
        return (
            "the value looks like an analytics event with its fields in `properties`: send them beside user_id and "
            "action, not within"
        )
    if isinstance(given.get("events"), list):
        return "the value looks like several events in `events`: send one record per event"
    return None
