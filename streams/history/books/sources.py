"""Compares each record of the sources with the canonical and the rejected topic: gaps, repeats, and what is not read.

Records leave a source, the canonical topic and the rejected one by retention, each at its own time. So a record that
is no longer there proves nothing: only a record that a source still holds, and that the group has committed, must
have a trace in one of the two topics. Where these topics have been cut, the traces in the removed part are lost.

Which traces are lost? A worker writes the records of one source partition in their order, and after a crash writes
all of them again from some record on. So in one partition of the two topics, let L be the lowest record that still
has a trace there: no trace of a record from L on is lost. A record above L in every partition that was cut must have
a trace; of a lower record nothing is known. Offsets are compared one by one and never counted by subtraction:
control records and aborted transactions take offsets, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.history.books.ledger import Books
from streams.history.books.offsets import HIGHEST, OffsetSet, ranges_text
from streams.history.books.origins import Origin, OriginSet

Partition = tuple[str, int]


@dataclass(slots=True)
class SourcePartition:
    """One partition of a raw source, as it was when it was read."""

    # Its first offset, and one past the last.
    begin: int
    end: int
    # Offset up to which (exclusive) records were ingested; None where none were.
    committed: int | None = None
    # True where records may leave it anywhere, or where that is unknown.
    compacted: bool = False
    # The offsets that it holds.
    present: OffsetSet = field(default_factory=OffsetSet)


class Ingest:
    """The origins in the canonical and the rejected topic, compared with the records of the raw sources."""

    def __init__(self, topic_ids: dict[str, str]) -> None:
        """topic_ids: of the raw sources as they are now; empty where unknown."""
        self._topic_ids = topic_ids
        self._canonical: defaultdict[Partition, OriginSet] = defaultdict(OriginSet)
        self._rejected: defaultdict[Partition, OriginSet] = defaultdict(OriginSet)
        self._by_reason: defaultdict[tuple[str, Partition, str], OriginSet] = defaultdict(OriginSet)
        # Of topics that have been deleted and created anew since: their offsets belong to other records.
        self._earlier: defaultdict[tuple[str, str, int], OriginSet] = defaultdict(OriginSet)
        self._earlier_rejected: defaultdict[tuple[str, str, int], OriginSet] = defaultdict(OriginSet)
        # The lowest offset of a source partition (first) that a partition of these topics (second) holds a trace of.
        self._lowest: dict[tuple[Partition, Partition], int] = {}
        # Partitions of these topics from which records were removed.
        self._cut: set[Partition] = set()

    def cut(self, topic: str, begins: Mapping[int, int]) -> None:
        """Say where the partitions of the canonical topic or of the rejected one begin."""
        self._cut |= {(topic, partition) for partition, begin in begins.items() if begin > 0}

    def canonical(self, origin: Origin | None, found_in: Partition) -> bool:
        """Enter the origin of a canonical record; False where it is in none of the raw sources."""
        if origin is None or origin.topic not in self._topic_ids:
            return False
        if self._is_earlier(origin):
            self._earlier[origin.topic, origin.topic_id, origin.partition].add(origin)
        else:
            where = origin.topic, origin.partition
            self._canonical[where].add(origin)
            self._note(where, found_in, origin.offset)
        return True

    def _note(self, where: Partition, found_in: Partition, offset: int) -> None:
        if offset < self._lowest.get((where, found_in), HIGHEST):
            self._lowest[where, found_in] = offset

    def rejected(self, origin: Origin, reason: str, found_in: Partition) -> bool:
        """Enter the origin of a rejected record; False where it is in none of the raw sources."""
        if origin.topic not in self._topic_ids:
            return False
        where, earlier = (origin.topic, origin.partition), self._is_earlier(origin)
        kept = self._earlier_rejected[origin.topic, origin.topic_id, origin.partition] if earlier else None
        (self._rejected[where] if kept is None else kept).add(origin)
        self._by_reason[reason, where, origin.topic_id if earlier else ""].add(origin)
        if not earlier:
            self._note(where, found_in, origin.offset)
        return True

    def _is_earlier(self, origin: Origin) -> bool:
        """True where the origin is in an earlier topic of that name."""
        now = self._topic_ids[origin.topic]
        return bool(now and origin.topic_id and origin.topic_id != now)

    def reasons(self) -> dict[str, int]:
        """Rejected records by reason, each once."""
        counts: Counter[str] = Counter()
        for (reason, *_), origins in self._by_reason.items():
            counts[reason] += len(origins)
        return dict(sorted(counts.items()))

    @property
    def rejected_repeats(self) -> int:
        """Rejections of a record that had been rejected before."""
        return sum(
            origins.repeats for origins in (*self._rejected.values(), *self._earlier_rejected.values())
        )

    def repeats(self) -> dict[str, int]:
        """Canonical records whose origin another one has, by source topic."""
        counts: Counter[str] = Counter()
        for (topic, _), origins in self._canonical.items():
            counts[topic] += origins.repeats
        for (topic, _, _), origins in self._earlier.items():
            counts[topic] += origins.repeats
        return {topic: count for topic, count in sorted(counts.items()) if count}

    def balance(self, where: Partition, source: SourcePartition, books: Books) -> None:
        """Book one partition of a source: its records, those without a trace, and those with two."""
        topic, partition = where
        present = source.present
        canonical, rejected = self._canonical[where], self._rejected[where]
        traced = canonical.records() | rejected.records()
        missing, committed = present - traced, source.committed or 0
        horizon = max((self._lowest.get((where, cut), HIGHEST) for cut in self._cut), default=0)
        gaps, forgotten = missing.within(horizon, committed), missing.within(0, min(horizon, committed))
        _count(books.sources, topic, len(present))
        _count(books.not_ingested, topic, len(missing) - len(gaps) - len(forgotten))
        _count(books.forgotten, topic, len(forgotten))
        if gaps:
            _gap(books, topic, partition, gaps)
        name = f"{topic}-{partition}"
        if twice := canonical.both(rejected):
            books.problems.append(
                f"{name}: {_records(twice)} both canonical and rejected: {ranges_text(twice)}"
            )
        if (unreal := traced.within(source.begin, source.end) - present) and not source.compacted:
            _unreal(books, name, unreal)
        if source.committed is not None and (gone := OffsetSet.between(committed, source.begin) - traced):
            books.removed.append({"topic": topic, "partition": partition, "offsets": len(gone)})
        if not source.compacted:
            _note_untraced(books, name, _untraced(source, traced, horizon))


def _untraced(source: SourcePartition, traced: OffsetSet, horizon: int) -> OffsetSet:
    """Offsets that the source no longer holds, passed over between traces that are all still there.

    What was before the first trace may have been removed before the deployment began.
    """
    starts, _ = traced.intervals()
    first = int(starts[0]) if len(starts) else HIGHEST
    return OffsetSet.between(max(first, horizon), min(source.begin, source.committed or 0)) - traced


def _note_untraced(books: Books, name: str, untraced: OffsetSet) -> None:
    """Tell them without a verdict: a marker of a transaction takes an offset, too, and has no trace either."""
    if untraced:
        books.notes.append(
            f"{name}: passed over and no longer there: {len(untraced):,} offsets, {ranges_text(untraced)}. "
            f"Retention removed them unread, or they were of transactions (markers, aborted records); the topics do "
            f"not tell which. The worker's log names what was removed, interestflow_removed_offsets_total counts it"
        )


def _gap(books: Books, topic: str, partition: int, gaps: OffsetSet) -> None:
    starts, ends = gaps.intervals()
    ranges = [[start, end - 1] for start, end in zip(starts[:10].tolist(), ends[:10].tolist(), strict=True)]
    books.gaps.append({"topic": topic, "partition": partition, "records": len(gaps), "ranges": ranges})
    books.problems.append(
        f"{topic}-{partition}: {_records(gaps)} read, but neither canonical nor rejected: offsets "
        f"{ranges_text(gaps)}"
    )


def _unreal(books: Books, name: str, unreal: OffsetSet) -> None:
    books.problems.append(
        f"{name}: {_records(unreal)} canonical or rejected, but not in the topic (a transaction that was aborted?): "
        f"{ranges_text(unreal)}"
    )


def _records(offsets: OffsetSet) -> str:
    count = len(offsets)
    return f"{count:,} records are" if count > 1 else "1 record is"


def _count(counts: dict[str, int], topic: str, more: int) -> None:
    counts[topic] = counts.get(topic, 0) + more
