"""Which changes of a partition's owner have delivered outputs, and whether other writers came in between.

A paused worker does not notice that it was replaced; what it writes later lies behind the records of the new owner.
The owner sees such records as gaps: the offsets of its own changelog records follow one another, unless somebody
else wrote. Pure; `guard` acts on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sinks.base import Delivery
from streams.state.changelog import NO_EPOCH, NOTHING, OutputProgress


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that was given to the sink: its changelog records with their progress record, and the outputs."""

    # Its number, as in the progress record.
    sequence: int
    # Source offset up to which its rejected records go, too; -1 for none.
    resume: int
    # Number of changelog records; they are the first group of what was published.
    size: int
    delivered: Delivery
    # Called with the changelog offset of the first record once it is known; not called after others wrote.
    on_offset: Callable[[int], None] = lambda begin: None


class Deliveries:
    """Of one partition in one epoch."""

    def __init__(
        self, epoch: int = NO_EPOCH, read_to: int = 0, published: OutputProgress = NOTHING, resume: int = -1
    ) -> None:
        """read_to: changelog offset up to which (exclusive) the state was read.

        published, resume: as the newest progress record has them.
        """
        self.epoch, self.read_to, self.published, self.resume = epoch, read_to, published, resume
        # Changelog offset of the next record, if nobody else writes.
        self.next = read_to
        # Where others wrote, as [begin, end).
        self.gaps: list[tuple[int, int]] = []
        # Offset up to which (exclusive) the changelog holds only what was read and own records.
        self.contained = read_to
        self._pending: deque[PendingChange] = deque()

    def add(self, pending: PendingChange) -> None:
        """Changes come in the order in which they were published."""
        self._pending.append(pending)

    def settle(self) -> None:
        """Account for the changes that are delivered by now. Raises SinkError where a delivery failed."""
        while self._pending and self._pending[0].delivered.done():
            pending = self._pending.popleft()
            last = pending.delivered.result()[0]
            begin = last - pending.size + 1
            if begin == self.next and self.sole_writer:
                pending.on_offset(begin)
                self.contained = last + 1
            if begin != self.next:
                # A producer may split what it sends, so others' records may lie anywhere before our last one.
                self.gaps.append((self.next, last))
            self.next = last + 1
            self.published = OutputProgress(self.epoch, pending.sequence, self.read_to)
            self.resume = max(self.resume, pending.resume)

    @property
    def under_way(self) -> list[Delivery]:
        """Deliveries that are not accounted for yet."""
        return [pending.delivered for pending in self._pending]

    @property
    def sole_writer(self) -> bool:
        """True while no other writer is known."""
        return self.contained == self.next

    def is_delivered(self, sequence: int) -> bool:
        """True once all changes of this epoch up to this one are delivered. Raises SinkError where that failed."""
        self.settle()
        return self.published.epoch == self.epoch and self.published.sequence >= sequence

    def observe_end(self, end: int) -> None:
        """The changelog ends at `end` now: records beyond our last are others', if none of ours is under way."""
        self.settle()
        if not self._pending and end > self.next:
            self.gaps.append((self.next, end))
            self.next = end
