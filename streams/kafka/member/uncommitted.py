"""Batches that were handed out and are not committed: how many more may be, and up to where a commit may go."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from faust.types import TP

from streams.kafka.member.batches import RecordBatch, may_queue


class Uncommitted:
    """Of one consumer, by partition. What is acknowledged is Faust's to know: it is handed in."""

    def __init__(self) -> None:
        # In the order in which they were handed out.
        self._batches: dict[TP, deque[RecordBatch]] = defaultdict(deque)
        # Batches that are not acknowledged, and their records. Faust's own back pressure sleeps seconds.
        self._outstanding: Counter[TP] = Counter()
        self._records: Counter[TP] = Counter()
        # Where the state said to go on, until it is committed: else a group that was killed before its last
        # commit, and gets no more events, would show a lag for ever.
        self._resumed: dict[TP, int] = {}
        # Offsets that were removed unread, until the first batch behind them.
        self._removed: dict[TP, tuple[int, int]] = {}

    def has_room(self, tp: TP, most: int) -> bool:
        """True where one more batch may be fetched; see may_queue."""
        return may_queue(self._outstanding[tp], self._records[tp], most)

    def enter(self, tp: TP, records: Sequence[Any], position: int | None) -> RecordBatch:
        """The batch of these records, which is handed out now. position: behind the fetch."""
        batch = RecordBatch(tp.topic, tp.partition, records, position or 0)
        removed = self._removed.get(tp)
        # Records that were fetched before the rest was removed come first.
        if removed is not None and records[0].offset >= removed[1]:
            batch.removed = self._removed.pop(tp)
        self._batches[tp].append(batch)
        self._outstanding[tp] += 1
        self._records[tp] += len(records)
        return batch

    def acknowledge(self, tp: TP, batch: RecordBatch) -> None:
        """A batch is done; it stays until it is committed."""
        self._outstanding[tp] -= 1
        self._records[tp] -= len(batch.records)

    def pass_over(self, positions: Mapping[TP, int]) -> Iterator[TP]:
        """Let the commit go beyond what was fetched and holds no record: else a group would lag behind it for ever.

        Yields the partitions with no batch, which have only this to commit.
        """
        for tp, position in positions.items():
            if waiting := self._batches[tp]:
                waiting[-1].position = position
            elif position:
                self._resumed[tp] = position
                yield tp

    def remove(self, tp: TP, asked: int, begin: int) -> None:
        """The offsets from `asked` to before `begin` were to be read, and are gone."""
        self._removed[tp] = self._removed.get(tp, (asked, begin))[0], begin

    def resume(self, tp: TP, offset: int) -> None:
        """A partition is read on from here, which may be committed."""
        self._resumed[tp] = offset

    def take_committable(self, tp: TP, acked: list[int], index: set[int]) -> int | None:
        """Offset to commit: behind the longest run of acknowledged batches, or None where there is none.

        acked, index: last offsets of the acknowledged batches, in a list and in a set; those of the run leave both.
        """
        waiting, committable = self._batches[tp], None
        while waiting and waiting[0].last_offset in index:
            batch = waiting.popleft()
            index.discard(batch.last_offset)
            acked.remove(batch.last_offset)
            committable = batch.next_offset
        resumed = self._resumed.pop(tp, None)
        return resumed if committable is None else committable

    def let_none_begin(self) -> None:
        """Of the batches that have not begun: they are read again, maybe elsewhere."""
        for waiting in self._batches.values():
            for batch in waiting:
                batch.stale = not batch.started

    def unfinished(self, index: Mapping[TP, set[int]]) -> bool:
        """True while a batch has begun and is not acknowledged. index: last offsets of those that are."""
        return any(
            batch.started and batch.last_offset not in index[tp]
            for tp, waiting in self._batches.items()
            for batch in waiting
        )

    def forget(self, partitions: Collection[TP]) -> None:
        """Their batches are another's."""
        for tp in partitions:
            self._batches.pop(tp, None)

    def clear(self) -> None:
        """Every position is set anew."""
        for known in (self._batches, self._outstanding, self._records, self._resumed, self._removed):
            known.clear()
