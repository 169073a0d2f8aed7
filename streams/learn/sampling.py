"""Reads the newest text of each item in the catalog topic in bounded memory, however large the topic is.

Items come in the order of a hash of their id, which is as good as random: the first n are an even sample, and their
order does not depend on the topic's. One pass over the topic keeps the newest texts of items from a given hash on.
Whenever there are more than fit, those of the greatest hashes are dropped, and the ceiling falls to the least hash
dropped. All records of an item have one hash, so at the end of the pass the newest record of every item below the
ceiling is known. The next pass begins at the ceiling.
Source: Gibbons, Distinct Sampling for Highly-Accurate Answers to Distinct Values Queries, VLDB 2001.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from streams.catalog.items import Item, Removed
from streams.recommend import item_key

# Beyond the greatest hash.
END = 1 << 64

Changes = Iterable[Item | Removed]


@dataclass(frozen=True, slots=True)
class Room:
    """Bounds of one pass: number of texts, and characters in all. Up to twice as much while it reads."""

    items: int = 100_000
    characters: int = 64_000_000


@dataclass(slots=True)
class _Window:
    """Newest texts of the items whose hash lies in [floor, ceiling)."""

    floor: int
    room: Room
    ceiling: int = END
    characters: int = 0
    texts: dict[tuple[int, str], str] = field(default_factory=dict)

    def put(self, change: Item | Removed) -> None:
        """A record of the topic, in the topic's order per item."""
        place = item_key(change.item_id), change.item_id
        if not self.floor <= place[0] < self.ceiling:
            return
        self.characters -= len(self.texts.pop(place, ""))
        text = change.text() if isinstance(change, Item) else ""
        if text:
            self.texts[place] = text
            self.characters += len(text)
        # One text alone may be longer than there is room for.
        if len(self.texts) > 2 * self.room.items or self.characters > max(
            2 * self.room.characters, len(text)
        ):
            self.cut()

    def cut(self) -> None:
        """Keep the texts of the least hashes that there is room for, of one hash all or none."""
        characters = 0
        for kept, place in enumerate(sorted(self.texts)):
            characters += len(self.texts[place])
            if kept and (kept >= self.room.items or characters > self.room.characters):
                # At least the first one stays, or the next pass would begin where this one did.
                self.ceiling = max(place[0], min(self.texts)[0] + 1)
                break
        self.texts = {place: text for place, text in self.texts.items() if place[0] < self.ceiling}
        self.characters = sum(map(len, self.texts.values()))


def texts(read: Callable[[], Changes], limit: int | None = None, room: Room | None = None) -> Iterator[str]:
    """The newest text of every item that has one and is not removed, in the order of the hashes of their ids.

    read: begins a pass over the topic, all of it, in its order per item. limit: at most so many. An item counts
    as it was in the pass that came to it. Memory is bounded by `room`, the time by the passes: one for every
    `room.items` items.
    """
    floor, left, room = 0, END if limit is None else limit, room or Room()
    while floor < END and left > 0:
        window = _Window(floor, Room(min(room.items, left), room.characters))
        for change in read():
            window.put(change)
        window.cut()
        found = [window.texts[place] for place in sorted(window.texts)][:left]
        yield from found
        floor, left = window.ceiling, left - len(found)
