"""Ids of recommended items, which events bring back. An id says all that is needed of the list, so no list is kept.

    3.explore.neighbours.1-5-1234-30-u7

The place in the list from 0, the arm, the source that the item is credited to, and behind them the id of the list:
generation, canonical partition, offset, version and user.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from streams.recommend.why.sentences import ENGLISH, EVENT, OTHER

# By what strategy an item came into its list; the last is of an id that does not say so.
ARMS = ("exploit", "explore", "unknown")
UNKNOWN = len(ARMS) - 1
NO_PLACE = 0xFFFF
# What items are credited to: no other name is counted, whatever an event says.
SOURCES = tuple(name for name in ENGLISH if "." not in name and name != EVENT)
_CHECKSUMS = {crc32(name.encode()): name for name in SOURCES}


@dataclass(frozen=True, slots=True)
class ShownItem:
    """What an id says. offset: see `SHOWN_DTYPE`."""

    place: int
    arm: int
    source: str
    offset: int


def item_id(place: int, arm: int, source: str, list_id: str) -> str:
    """The id of one item of a list. source: one of SOURCES, others count as OTHER."""
    return f"{place}.{ARMS[arm]}.{source if source in SOURCES else OTHER}.{list_id}"


def read_id(text: str, user: str) -> ShownItem | None:
    """What an id says, which may be that of a list alone; None where it is no id of this user's."""
    place, arm, source, list_id = _parts(text)
    numbers = list_id.split("-", 4)
    if len(numbers) < 5 or numbers[4] != user or not all(map(_is_number, numbers[:4])):
        return None
    return ShownItem(place, arm, source, int(numbers[2]))


def checksum(source: str) -> int:
    """Under which a state remembers a source."""
    return crc32(source.encode())


def source_of(number: int) -> str:
    """The source of a checksum; OTHER for one that this version does not know."""
    return _CHECKSUMS.get(number, OTHER)


def _parts(text: str) -> tuple[int, int, str, str]:
    """Place, arm, source, and the id of the list."""
    found = text.split(".", 3)
    if len(found) == 4 and _is_number(found[0]) and found[1] in ARMS:
        source = found[2] if found[2] in SOURCES else OTHER
        return min(int(found[0]), NO_PLACE), ARMS.index(found[1]), source, found[3]
    return NO_PLACE, UNKNOWN, OTHER, text


def _is_number(text: str) -> bool:
    """True for an offset that is below 2**63, as all are."""
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63
