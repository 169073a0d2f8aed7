"""n events by column, and each by itself for whoever must see all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.events.canonical import Event
from streams.kernels.names import distinct

Longs = npt.NDArray[np.int64]
NO_NAME = -1


@dataclass(frozen=True, slots=True)
class Names:
    """One name per event.

    known: names, each once. of: (n,) which of them each event has, NO_NAME for none. whole: an event has each of
    them, and by first appearance they are in order.
    """

    known: list[str]
    of: Longs
    whole: bool = False

    @classmethod
    def each(cls, names: Sequence[str | None]) -> Names:
        """From the name of each event."""
        numbers: dict[str, int] = {}
        number = numbers.setdefault
        of = [NO_NAME if name is None else number(name, len(numbers)) for name in names]
        return cls(list(numbers), np.array(of, dtype=np.int64), whole=True)

    def only(self, indices: Longs) -> Names:
        """Of the events of these indices."""
        return Names(self.known, self.of[indices])

    def used(self) -> list[int]:
        """Which of `known` an event has, in the order of `known`."""
        used: list[int] = np.flatnonzero(np.bincount(self.of[self.of >= 0])).tolist()
        return used

    def distinct(self) -> tuple[list[str], Longs]:
        """The names that an event has, by first appearance; and (n,) which of them each event has."""
        if self.whole:
            return self.known, self.of
        numbers = list(dict.fromkeys(self.of[self.of >= 0].tolist()))
        places = np.full(len(self.known) + 1, NO_NAME, dtype=np.int64)
        places[numbers] = np.arange(len(numbers))
        return [self.known[number] for number in numbers], places[self.of]

    def replaced(self, index: int, name: str) -> Names:
        """The same, but for the event of this index."""
        of = self.of.copy()
        of[index] = len(self.known)
        return Names([*self.known, name], of)


@dataclass(slots=True)
class IdBytes:
    """The bytes of the events' ids, of their sources and of their items.

    ids, sources, items: (n, 2) begin and length in the text. An event without an item has an empty one. An empty id
    is not there: the event was decoded.
    """

    text: bytes
    ids: Longs
    sources: Longs
    items: Longs

    @property
    def buffer(self) -> npt.NDArray[np.uint8]:
        """The text as numbers."""
        return np.frombuffer(self.text, np.uint8)

    def only(self, indices: Longs) -> IdBytes:
        """Of the events of these indices."""
        return IdBytes(self.text, self.ids[indices], self.sources[indices], self.items[indices])

    def names(self, spans: Longs) -> Names:
        """The names at these places (n, 2) of the text; an empty one is none."""
        places, of = distinct(self.buffer, spans)
        text = self.text
        known = [
            text[begin : begin + length].decode() for begin, length in np.take(spans, places, axis=0).tolist()
        ]
        if all(known):
            return Names(known, of, whole=True)
        return Names(known, np.where(spans[:, 1] > 0, of, NO_NAME))


@dataclass(slots=True)
class Events(Sequence[Event]):
    """n events by column. As a sequence it gives each event whole, which is read from its bytes when asked for."""

    users: Names
    actions: Names
    # (n,) event times, milliseconds.
    times: Longs
    # (n,) not a number where an event has no value.
    values: npt.NDArray[np.float64]
    # The texts that are not empty, by index, in order.
    texts: dict[int, str]
    # The event of an index, whole; and those that were asked for.
    load: Callable[[int], Event]
    loaded: dict[int, Event]
    # The events' items, where they were decoded.
    decoded_items: Names | None = None
    # Where the ids lie, if they were not decoded.
    id_bytes: IdBytes | None = None

    @classmethod
    def of(cls, events: Sequence[Event]) -> Events:
        """Of events that are there whole; itself, where these are columns already."""
        if isinstance(events, Events):
            return events
        return cls(
            Names.each([event.user_id for event in events]),
            Names.each([event.action for event in events]),
            np.array([event.timestamp for event in events], dtype=np.int64),
            np.array([event.value for event in events], dtype=np.float64),
            {index: event.text for index, event in enumerate(events) if event.text},
            events.__getitem__,
            {},
            Names.each([event.item_id for event in events]),
        )

    @property
    def items(self) -> Names:
        """The events' items."""
        if self.decoded_items is None:
            assert self.id_bytes is not None  # one of both there is
            self.decoded_items = self.id_bytes.names(self.id_bytes.items)
        return self.decoded_items

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, index: int) -> Event:  # type: ignore[override]  # no slices: `only` takes several
        found = self.loaded.get(index)
        if found is None:
            if not 0 <= index < len(self.times):
                raise IndexError(index)
            found = self.loaded[index] = self.load(index)
        return found

    def __iter__(self) -> Iterator[Event]:
        return (self[index] for index in range(len(self.times)))

    def only(self, indices: Longs) -> Events:
        """The events of these indices, in their order."""
        chosen: list[int] = indices.tolist()
        at = {index: position for position, index in enumerate(chosen)} if self.texts else {}
        items, ids = self.decoded_items, self.id_bytes
        return Events(
            self.users.only(indices),
            self.actions.only(indices),
            self.times[indices],
            self.values[indices],
            {at[index]: text for index, text in self.texts.items() if index in at},
            lambda position: self[chosen[position]],
            {},
            None if items is None else items.only(indices),
            None if ids is None else ids.only(indices),
        )

    def set_item(self, index: int, item_id: str) -> None:
        """Let the event of this index be about another item."""
        self[index].item_id = item_id
        self.decoded_items = self.items.replaced(index, item_id)

    def action_counts(self) -> dict[str, int]:
        """How many events have each action."""
        counts = np.bincount(self.actions.of, minlength=len(self.actions.known)).tolist()
        return {action: count for action, count in zip(self.actions.known, counts, strict=True) if count}
