"""What a partition's owner has handed over, in order: what of it is out, and whether others wrote in between.

A worker that was paused does not know that it has been replaced; its records come behind those of the new owner.
The owner sees them as gaps: the offsets of its own changelog records follow one another, unless somebody else
wrote. Pure; `guard` acts on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sinks.base import Delivery
from streams.state.changelog import NO_TERM, NOTHING, Claim


@dataclass(frozen=True, slots=True)
class Handed:
    """Changelog records up to one mark, and the outputs that belong to them.

    change: the mark's number. resume: source offset up to which this vouches for rejected records, or -1.
    size: how many changelog records, which are the first group of what was published. stand: told the changelog
    offset of the first of them once it is known, unless others wrote before.
    """

    change: int
    resume: int
    size: int
    delivered: Delivery
    stand: Callable[[int], None] = lambda begin: None


class Deliveries:
    """Of one partition in one term."""

    def __init__(
        self, term: int = NO_TERM, read_to: int = 0, published: Claim = NOTHING, resume: int = -1
    ) -> None:
        """read_to: changelog offset up to which the state was read. published, resume: as its newest mark says."""
        self.term, self.read_to, self.published, self.resume = term, read_to, published, resume
        # Changelog offset of the next record, if nobody else writes; and where others wrote, as [begin, end).
        self.next = read_to
        self.gaps: list[tuple[int, int]] = []
        # Up to here (exclusive) the changelog holds what was read and own records, and nobody else's.
        self.contained = read_to
        self._pending: deque[Handed] = deque()

    def add(self, handed: Handed) -> None:
        """In the order in which it was published."""
        self._pending.append(handed)

    def settle(self) -> None:
        """Take in what has been delivered. Raises SinkError where it failed."""
        while self._pending and self._pending[0].delivered.done():
            handed = self._pending.popleft()
            last = handed.delivered.result()[0]
            begin = last - handed.size + 1
            if begin == self.next and self.alone:
                handed.stand(begin)
                self.contained = last + 1
            if begin != self.next:
                # A producer may split what it sends, so others' records may stand anywhere before our last.
                self.gaps.append((self.next, last))
            self.next = last + 1
            self.published = Claim(self.term, handed.change, self.read_to)
            self.resume = max(self.resume, handed.resume)

    @property
    def under_way(self) -> list[Delivery]:
        """What was handed over and is not settled."""
        return [handed.delivered for handed in self._pending]

    @property
    def alone(self) -> bool:
        """True while nobody else is known to have written."""
        return self.contained == self.next

    def out(self, change: int) -> bool:
        """True once all up to this change of the term is delivered. Raises SinkError where that failed."""
        self.settle()
        return self.published.term == self.term and self.published.change >= change

    def ends_at(self, end: int) -> None:
        """The changelog's end was seen: what lies there is others' where nothing of ours is on its way."""
        self.settle()
        if not self._pending and end > self.next:
            self.gaps.append((self.next, end))
            self.next = end
