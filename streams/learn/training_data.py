"""What the text encoder learns from: the deployment's own topics, or a public data set's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.catalog.items import Item
from streams.datasets import DATASETS, DatasetError
from streams.events.canonical import Event
from streams.learn import topic_contents
from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Data:
    """Texts by item id, and events in any order of users."""

    texts: Mapping[str, str]
    events: Iterable[Event]


def from_topics(settings: Settings) -> Data:
    """The catalog and the canonical events, as they are now. Raises ReadError as they are read."""
    return Data(topic_contents.texts(settings), topic_contents.events(settings))


def from_dataset(name: str, path: Path) -> Data:
    """A data set that `interestflow load` knows. Raises DatasetError."""
    if name not in DATASETS:
        raise DatasetError(f"no data set {name!r}; there are: {', '.join(DATASETS)}")
    dataset = DATASETS[name](path)
    items = (Item(**item) for item in dataset.items)
    return Data({item.item_id: item.text() for item in items}, _native(dataset.events))


def _native(events: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    known = frozenset(Event.__struct_fields__)
    for event in events:
        if event["user_id"] is not None:
            yield Event(**{name: value for name, value in event.items() if name in known})
