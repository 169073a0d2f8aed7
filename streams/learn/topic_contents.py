"""The items of the catalog topic and the events of the canonical one, as they are now."""

from __future__ import annotations

from collections.abc import Iterator

from streams.catalog.items import Item, Removed, decode_item
from streams.events.canonical import Event
from streams.events.decoding import decode_canonical
from streams.events.records import Record
from streams.kafka.clients import client_config
from streams.kafka.reading import ReadError, read_all
from streams.settings.settings import Settings
from streams.wiring.app import build_limits


def changes(settings: Settings) -> Iterator[Item | Removed]:
    """Items and removals of the catalog topic, up to its end now; other records are left to the worker."""
    limits = build_limits(settings.limits)
    for messages in read_all(client_config(settings), settings.topics.items):
        for message in messages:
            item = decode_item(_Record(message.key(), message.value()), limits)
            if isinstance(item, Item | Removed):
                yield item


def items(settings: Settings) -> dict[str, Item]:
    """The items in the catalog topic, by id."""
    newest: dict[str, Item] = {}
    for change in changes(settings):
        if isinstance(change, Removed):
            newest.pop(change.item_id, None)
        else:
            newest[change.item_id] = change
    return newest


def texts(settings: Settings) -> dict[str, str]:
    """Their texts, by id."""
    return {item_id: item.text() for item_id, item in items(settings).items()}


def events(settings: Settings) -> Iterator[Event]:
    """The events of the canonical topic, up to its end now; other records are left out. Raises ReadError if all are."""
    limits, found = build_limits(settings.limits), False
    for messages in read_all(client_config(settings), settings.topics.canonical):
        for message in messages:
            event = decode_canonical(Record.of(message), limits)
            if isinstance(event, Event):
                found = True
                yield event
    if not found:
        raise ReadError(
            f"{settings.topics.canonical} holds no event to learn from: workers write there what they read from the "
            f"sources, so run one first, with what needs no events (`interestflow fit projection`, or where media "
            f"are encoded `interestflow fit fusion --no-gate`)"
        )


class _Record:
    def __init__(self, key: bytes | None, value: bytes | None) -> None:
        self.key, self.value = key, value
