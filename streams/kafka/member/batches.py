"""What a stage is given: the records of one partition that were fetched together; and how many such may queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# From so many records on average a partition's outstanding batches count as full; else so few may be outstanding.
FULL_RECORDS = 1000
SMALL_BATCHES = 1


@dataclass(slots=True)
class RecordBatch:
    """Records of one partition in offset order, as fetched; never empty."""

    topic: str
    partition: int
    records: Sequence[Any]
    # Position behind the fetch: behind the last record, and behind what follows it and holds no record for a reader.
    position: int = 0
    # Offsets before the first record that were removed unread, as [begin, end).
    removed: tuple[int, int] | None = None
    started: bool = False
    stale: bool = False
    # Of the last record, which may have to be made to be asked.
    last_offset: int = field(init=False)

    def __post_init__(self) -> None:
        self.last_offset = self.records[-1].offset

    @property
    def next_offset(self) -> int:
        """Where to read on once it is done."""
        return max(self.position, self.last_offset + 1)

    def start(self) -> bool:
        """Begin work on it; false where a rebalance came first: then it is read again, maybe elsewhere."""
        self.started = not self.stale
        return self.started

    def abandon(self) -> None:
        """End work on it without a result: it is not acknowledged, and read again."""
        self.started, self.stale = False, True


def may_queue(batches: int, records: int, most: int) -> bool:
    """True where one more batch of a partition may be fetched. batches, records: fetched and not acknowledged yet.

    Full batches may queue, up to `most`, so that the fetch stays ahead; small ones may not. What comes while a small
    one is under way is better fetched as one batch: a queue of small ones would be latency, and a batch has its price
    whatever its size.
    """
    return batches < (most if records >= batches * FULL_RECORDS else SMALL_BATCHES)
