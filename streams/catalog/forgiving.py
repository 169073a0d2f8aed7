"""An item's record as a shop's database exports it: what can only mean one thing is understood, and counted."""

from __future__ import annotations

from typing import Any

import orjson

from streams.events import forgiven as kinds
from streams.events.fields import Fields, Invalid
from streams.events.forgiven import Forgiven
from streams.events.near_misses import ITEM_NAMES, hint, recognised
from streams.events.rejections import Reason
from streams.events.wrappings import load

NO_ATTRIBUTE = "holds what is no text, number or boolean; that is left out: send texts, or a list of them"
NO_ATTRIBUTES = (
    'are no object and are left out: send names with values, as {"brand": "Acme", "colours": ["red"]}'
)
# Fields by which an object among the categories or the media is named.
CATEGORY_NAMES, MEDIA_NAMES = ("name", "title", "label"), ("url", "uri", "src", "href")


def read_fields(value: bytes, forgiven: Forgiven) -> dict[str, Any]:
    """The fields of an `Item` from a record. forgiven: counts deviations. Raises Invalid."""
    loaded = load(value)
    for kind in loaded.wrapped:
        forgiven.note("value", kind)
    fields = Fields(loaded.fields, forgiven, loaded.damaged)
    if loaded.fields.get("item_id") is None:
        looks = recognised(loaded.fields)
        said = f"item_id is missing{hint(loaded.fields, 'item_id', ITEM_NAMES)}"
        raise Invalid(Reason.EMPTY_ID if looks is None else Reason.FOREIGN_FORMAT, looks or said)
    return {
        "item_id": fields.identifier("item_id", whole=True) or "",
        "title": fields.text("title") or "",
        "description": fields.text("description") or "",
        "categories": fields.strings("categories", CATEGORY_NAMES) or [],
        "media": fields.strings("media", MEDIA_NAMES) or [],
        "hidden": fields.flag("hidden"),
        "blocked": fields.flag("blocked"),
        "in_stock": _in_stock(fields),
        "attributes": _attributes(fields, forgiven),
    }


def _in_stock(fields: Fields) -> bool:
    """Also as the number of pieces; true where absent."""
    given = fields.given.get("in_stock")
    if isinstance(given, int | float) and not isinstance(given, bool):
        fields.forgiven.note("in_stock", kinds.NUMBER)
        return given > 0
    return fields.present("in_stock") is None or fields.flag("in_stock")


def _attributes(fields: Fields, forgiven: Forgiven) -> dict[str, str | list[str]]:
    """Texts, numbers and booleans, alone or in lists, as texts; what else there is, is left out, counted and told."""
    given, item = fields.present("attributes"), fields.given["item_id"]
    found: dict[str, str | list[str]] = {}
    for name, values in given.items() if isinstance(given, dict) else ():
        listed = values if isinstance(values, list) else [values]
        known = [one if isinstance(one, str) else orjson.dumps(one).decode() for one in listed if _plain(one)]
        if len(known) < len(listed):
            said = f"attribute {name!r} of item {item!r} {NO_ATTRIBUTE}"
            forgiven.log_once("attributes", kinds.NOT_READ, said, name)
        if known:
            found[name] = known
    if given is not None and not isinstance(given, dict):
        forgiven.log_once("attributes", kinds.NOT_READ, f"the attributes of item {item!r} {NO_ATTRIBUTES}")
    return found


def _plain(given: object) -> bool:
    return isinstance(given, str | bool | float) or (isinstance(given, int) and abs(given) < 2**63)
