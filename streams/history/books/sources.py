"""Whether each record of the sources is canonical or rejected: gaps, repeats, and what is neither yet.

Records leave a source, the canonical topic and the rejected one by retention, each at its own time, so nothing is
concluded from what is there no more: only a record that a source still holds, and that the group has committed, must
be told of in one of the two topics. Where these have been cut, what they told before is gone. Whoever ingests writes
the records of one source partition in their order, and after a crash all again from some record on: so within one
partition of the two topics, of the records from the lowest that it still tells of on, none is gone. A record that is
higher than that in each partition that was cut must be told of; of a lower one nothing is known any more. Offsets are
compared one by one and never counted by subtraction: control records and aborted transactions take offsets, too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.history.books.ledger import Books
from streams.history.books.offsets import HIGHEST, OffsetSet, ranges_told
from streams.history.books.origins import Origin, Told

Partition = tuple[str, int]


@dataclass(slots=True)
class SourcePartition:
    """One partition of a raw source. begin, end: its offsets as they were when it was read.

    committed: offset behind what was ingested; None where nothing was. compacted: records may leave it anywhere,
    or it is not known whether they may.
    """

    begin: int
    end: int
    committed: int | None = None
    compacted: bool = False
    present: OffsetSet = field(default_factory=OffsetSet)


class Ingest:
    """What the canonical topic and the rejected one tell of the records of the raw sources."""

    def __init__(self, topic_ids: dict[str, str]) -> None:
        """topic_ids: of the raw sources as they are now; empty where unknown."""
        self._topic_ids = topic_ids
        self._canonical: defaultdict[Partition, Told] = defaultdict(Told)
        self._rejected: defaultdict[Partition, Told] = defaultdict(Told)
        self._by_reason: defaultdict[tuple[str, Partition, str], Told] = defaultdict(Told)
        # Of topics that have been deleted and made anew since: their offsets say nothing of today's.
        self._earlier: defaultdict[tuple[str, str, int], Told] = defaultdict(Told)
        self._earlier_rejected: defaultdict[tuple[str, str, int], Told] = defaultdict(Told)
        # The lowest offset of a source partition that one partition of these topics tells of, and which were cut.
        self._lowest: dict[tuple[Partition, Partition], int] = {}
        self._cut: set[Partition] = set()

    def cut(self, topic: str, begins: Mapping[int, int]) -> None:
        """Say where the partitions of the canonical topic or of the rejected one begin."""
        self._cut |= {(topic, partition) for partition, begin in begins.items() if begin > 0}

    def canonical(self, origin: Origin | None, told_by: Partition) -> bool:
        """Enter the origin of a canonical record; False where it is of none of the raw sources."""
        if origin is None or origin.topic not in self._topic_ids:
            return False
        if self._is_earlier(origin):
            self._earlier[origin.topic, origin.topic_id, origin.partition].add(origin)
        else:
            where = origin.topic, origin.partition
            self._canonical[where].add(origin)
            self._note(where, told_by, origin.offset)
        return True

    def _note(self, where: Partition, told_by: Partition, offset: int) -> None:
        if offset < self._lowest.get((where, told_by), HIGHEST):
            self._lowest[where, told_by] = offset

    def rejected(self, origin: Origin, reason: str, told_by: Partition) -> bool:
        """Enter the origin of a rejected record; False where it is of none of the raw sources."""
        if origin.topic not in self._topic_ids:
            return False
        where, earlier = (origin.topic, origin.partition), self._is_earlier(origin)
        kept = self._earlier_rejected[origin.topic, origin.topic_id, origin.partition] if earlier else None
        (self._rejected[where] if kept is None else kept).add(origin)
        self._by_reason[reason, where, origin.topic_id if earlier else ""].add(origin)
        if not earlier:
            self._note(where, told_by, origin.offset)
        return True

    def _is_earlier(self, origin: Origin) -> bool:
        """True where it is of a topic of that name that is no more."""
        now = self._topic_ids[origin.topic]
        return bool(now and origin.topic_id and origin.topic_id != now)

    def reasons(self) -> dict[str, int]:
        """Rejected records by reason, each once."""
        counts: Counter[str] = Counter()
        for (reason, *_), told in self._by_reason.items():
            counts[reason] += len(told)
        return dict(sorted(counts.items()))

    @property
    def rejected_repeats(self) -> int:
        """Rejections of a record that had been rejected before."""
        return sum(told.repeats for told in (*self._rejected.values(), *self._earlier_rejected.values()))

    def repeats(self) -> dict[str, int]:
        """Canonical records of an origin that is there already, by source topic."""
        counts: Counter[str] = Counter()
        for (topic, _), told in self._canonical.items():
            counts[topic] += told.repeats
        for (topic, _, _), told in self._earlier.items():
            counts[topic] += told.repeats
        return {topic: count for topic, count in sorted(counts.items()) if count}

    def balance(self, where: Partition, source: SourcePartition, books: Books) -> None:
        """Enter what one partition of a source holds, what is missing, and what is there twice."""
        topic, partition = where
        present = source.present
        canonical, rejected = self._canonical[where], self._rejected[where]
        told = canonical.records() | rejected.records()
        missing, committed = present - told, source.committed or 0
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
                f"{name}: {_records(twice)} both canonical and rejected: {ranges_told(twice)}"
            )
        if (unreal := told.within(source.begin, source.end) - present) and not source.compacted:
            _unreal(books, name, unreal)
        if source.committed is not None and (gone := OffsetSet.between(committed, source.begin) - told):
            books.removed.append({"topic": topic, "partition": partition, "offsets": len(gone)})


def _gap(books: Books, topic: str, partition: int, gaps: OffsetSet) -> None:
    starts, ends = gaps.intervals()
    ranges = [[start, end - 1] for start, end in zip(starts[:10].tolist(), ends[:10].tolist(), strict=True)]
    books.gaps.append({"topic": topic, "partition": partition, "records": len(gaps), "ranges": ranges})
    books.problems.append(
        f"{topic}-{partition}: {_records(gaps)} read, but neither canonical nor rejected: offsets "
        f"{ranges_told(gaps)}"
    )


def _unreal(books: Books, name: str, unreal: OffsetSet) -> None:
    books.problems.append(
        f"{name}: {_records(unreal)} canonical or rejected, but not in the topic (a transaction that was aborted?): "
        f"{ranges_told(unreal)}"
    )


def _records(offsets: OffsetSet) -> str:
    count = len(offsets)
    return f"{count:,} records are" if count > 1 else "1 record is"


def _count(counts: dict[str, int], topic: str, more: int) -> None:
    counts[topic] = counts.get(topic, 0) + more
