"""An order of several products: one event per product, with what they share from the order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from streams.events import forgiven as kinds
from streams.events.canonical import Event
from streams.events.fields import Fields, Invalid, kind_of
from streams.events.near_misses import LISTS, hint, meant
from streams.events.rejections import Reason
from streams.settings.action_words import known_word

# Fields of a product with its id and how many of it; the first that is filled counts.
IDS = ("item_id", "product_id", "id", "sku", "itemId", "productId")
AMOUNTS = ("quantity", "qty", "value")
# Of the order itself: its value is rather a sum of money than how many.
OWN = frozenset((*LISTS, "value", "quantity", "qty"))

# Actions that mean nothing without an item, and one whose list is what was found and not what was done to.
OF_ITEMS = frozenset(("purchase", "return", "refund", "cancel", "cart", "uncart"))
SEARCH = frozenset(("search",))


class Product(NamedTuple):
    """One entry of the list; place: as a message names it."""

    order: Fields
    shared: Mapping[str, Any]
    place: str
    given: Any

    def fields(self) -> Fields:
        """The fields of its event. Raises Invalid."""
        given = self.given
        if isinstance(given, str | int) and not isinstance(given, bool) and given != "":
            return self.order.with_values({**self.shared, "item_id": given}, f"{self.place}: ")
        if not isinstance(given, dict):
            raise Invalid(
                Reason.WRONG_TYPE, f"{self.place} is {kind_of(given)}, not an object with an item_id"
            )
        found = next((given[name] for name in IDS if given.get(name) not in (None, "")), None)
        if found is None:
            said = f"{self.place} names no item: give it an item_id{hint(given, 'item_id')}"
            raise Invalid(Reason.MISSING_ITEM, said)
        own = {"item_id": found}
        if (
            amount := next((name for name in AMOUNTS if given.get(name) not in (None, "")), None)
        ) is not None:
            own["value"] = given[amount]
        if given.get("action") not in (None, ""):
            own["action"] = given["action"]  # one product of an order may be returned
        return self.order.with_values({**self.shared, **own}, f"{self.place}: ")


def split(fields: Fields, listed_as: str | None = None) -> list[Product] | None:
    """The products of an order; None for an event of at most one item. Raises Invalid.

    listed_as: the producer's name for the list, for messages; by default the name of the field that holds it.
    """
    given = fields.given
    if given.get("item_id") not in (None, ""):
        return None
    name = next((name for name in LISTS if given.get(name) not in (None, "")), None)
    if name is None or (_means(given.get("action"), SEARCH) and given.get("text")):
        return None
    found, called = given[name], listed_as or name
    products = found if isinstance(found, list) else [found]
    if not products:
        raise Invalid(Reason.MISSING_ITEM, f"{called} is an empty list, so the event names no item")
    if products is not found:
        fields.forgiven.note(name, kinds.ONE_FOR_LIST)
    shared = {key: value for key, value in given.items() if key not in OWN}
    return [Product(fields, shared, f"{called}[{index}]", one) for index, one in enumerate(products)]


def tell_unread(fields: Fields, topic: str) -> None:
    """Count and log lists that are not read, since the event names its item or another list is read."""
    given = fields.given
    lists = [name for name in LISTS if given.get(name)]
    if not lists or (_means(given.get("action"), SEARCH) and given.get("text")):
        return
    named = given.get("item_id") not in (None, "")
    instead = "item_id" if named else lists[0]
    for name in lists:
        if name != instead and (named or given[name] != given[instead]):
            message = f"{topic}: `{name}` is not read, for the event has `{instead}`, too: send one of them"
            fields.forgiven.log_once(name, kinds.NOT_READ, message)


def require_item(event: Event, fields: Fields) -> None:
    """Raises Invalid where an event without item was meant to have one; counts one that says nothing at all."""
    if event.text:
        return
    other = meant(fields.given, "item_id")
    if other is None and not _means(event.action, OF_ITEMS):
        fields.forgiven.note("item_id", kinds.NOTHING_TO_LEARN)
        return
    raise Invalid(
        Reason.MISSING_ITEM,
        f"item_id is missing{hint(fields.given, 'item_id')}: a {event.action} that names no item moves no interest",
    )


def _means(action: Any, words: frozenset[str]) -> bool:
    return isinstance(action, str) and known_word(action, words) is not None
