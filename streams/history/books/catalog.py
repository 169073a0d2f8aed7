"""The catalog in the books: what became of each record of the items topic.

The topics alone decide, so it holds after any worker. A record was refused (it is in the rejected topic), or removes
an item, or repeats the item's record before it (unchanged), or changes the item. The newest change of each item must
have an embedding (encoded); the changes before it are replaced. Compaction removes older records of an item, so
these counts are of the records that are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from xxhash import xxh3_64_intdigest

from streams.catalog.items import Removed, decode_item
from streams.events.provenance import UNKNOWN_REMOVAL
from streams.events.records import Record
from streams.events.rejections import Limits, Rejected
from streams.history.books.keys import NewestValues
from streams.history.books.ledger import Books
from streams.history.books.offsets import OffsetSet, ranges_text
from streams.history.books.origins import Headers, Origin

OUTCOMES = ("read", "unread", "encoded", "unchanged", "replaced", "removed", "removed_unknown", "refused")
# Items named where something is wrong with many.
MOST_NAMED = 5
# What the newest embedding record of an item is: a vector, or a removal of a known or of an unknown item.
VECTOR, REMOVED, UNKNOWN = 0, 1, 2


def embedding_kind(value: bytes | None, headers: Headers) -> int:
    """VECTOR, REMOVED or UNKNOWN."""
    if value is not None:
        return VECTOR
    return UNKNOWN if any(name == UNKNOWN_REMOVAL for name, _ in headers or ()) else REMOVED


class RefusedItems:
    """Records of the items topic that stand in the rejected topic."""

    def __init__(self, topic: str) -> None:
        """topic: the items topic."""
        self._topic = topic
        self._offsets: dict[int, set[int]] = {}
        self.reasons: Counter[str] = Counter()

    def add(self, origin: Origin, reason: str) -> None:
        """Enter a rejected record; of no effect where it is of another topic."""
        if origin.topic == self._topic and not self.holds(origin.partition, origin.offset):
            self._offsets.setdefault(origin.partition, set()).add(origin.offset)
            self.reasons[reason] += 1

    def holds(self, partition: int, offset: int) -> bool:
        """True where this record was refused."""
        return offset in self._offsets.get(partition, ())


@dataclass(slots=True)
class Items:
    """Takes the records of the items topic, in offset order per partition."""

    refused: RefusedItems
    # By partition, the offset up to which (exclusive) the group has read.
    committed: Mapping[int, int]
    limits: Limits
    counts: Counter[str] = field(default_factory=Counter)
    # By item, the checksum of its newest record; 0 for a removal.
    newest: dict[str, int] = field(default_factory=dict)
    # By item, removals before which no record here brought it.
    _unknown: Counter[str] = field(default_factory=Counter)
    _gaps: dict[int, OffsetSet] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count one record."""
        if record.offset >= self.committed.get(record.partition, 0):
            self.counts["unread"] += 1
            return
        self.counts["read"] += 1
        if self.refused.holds(record.partition, record.offset):
            self.counts["refused"] += 1
            return
        item = decode_item(record, self.limits)
        if isinstance(item, Rejected):
            self._gaps.setdefault(record.partition, OffsetSet()).add(record.offset)
        elif isinstance(item, Removed):
            self.counts["removed" if self._leave(item.item_id) else "removed_unknown"] += 1
        else:
            self._change(item.item_id, xxh3_64_intdigest(repr(item).encode("utf-8", "surrogatepass")) or 1)

    def _leave(self, item_id: str) -> bool:
        """True where the topic has brought the item before."""
        if item_id not in self.newest or item_id in self._unknown:
            self._unknown[item_id] += 1
        self.counts["replaced"] += bool(self.newest.get(item_id))
        self.newest[item_id] = 0
        return item_id not in self._unknown

    def _change(self, item_id: str, digest: int) -> None:
        self._unknown.pop(item_id, None)
        known = self.newest.get(item_id, 0)
        self.counts["unchanged"] += known == digest
        self.counts["replaced"] += known not in (0, digest)
        self.newest[item_id] = digest

    def enter(self, topic: str, embedded: NewestValues, books: Books) -> None:
        """Compare with the embeddings. embedded: VECTOR, REMOVED or UNKNOWN by item id."""
        state = dict(zip(self.newest, embedded.of(item_id.encode() for item_id in self.newest), strict=True))
        present = [item_id for item_id, digest in self.newest.items() if digest]
        missing = [item_id for item_id in present if state[item_id] != VECTOR]
        left = [item_id for item_id, digest in self.newest.items() if not digest and state[item_id] == VECTOR]
        # Compaction removed the record that brought the item; that it was known is left.
        known = sum(count for item_id, count in self._unknown.items() if state[item_id] == REMOVED)
        self.counts["removed"] += known
        self.counts["removed_unknown"] -= known
        self.counts["encoded"] = len(present) - len(missing)
        books.items = {name: self.counts[name] for name in OUTCOMES}
        books.items_refused = dict(sorted(self.refused.reasons.items()))
        for partition, gaps in sorted(self._gaps.items()):
            books.problems.append(
                f"{topic}-{partition}: {len(gaps):,} records that are no items were read, but are not rejected: "
                f"offsets {ranges_text(gaps)}"
            )
        if missing:
            books.problems.append(f"{topic}: items were read, but have no embedding: {_named(missing)}")
        if left:
            books.problems.append(f"{topic}: items were removed, but have an embedding: {_named(left)}")


def _named(ids: list[str]) -> str:
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return ", ".join(repr(item_id) for item_id in ids[:MOST_NAMED]) + more
