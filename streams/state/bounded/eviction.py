"""Which users leave memory where it is bounded, and how they come back.

The least recently active leave, by the offset of their last event, which every row carries. They go to a local
file (see `scratch`) in the form of a changelog record, between two batches, and come back on the model thread with
the first batch that names them, before it is folded: states, vectors and recommendations are those of an unbounded
memory, bit for bit.

Some stay, and where they are more than the bound, so are the users in memory: those with an event that waits for
its item, who must be found when it comes; those due a recommendation or in the middle of one, who are known by
their row. A batch's users are all in memory until it is done.

Deliveries that are outstanding keep nobody: the file is a part of this process's memory, read by no other, and the
first failed delivery ends the process. A recovery begins with an empty file and asks the changelog alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from streams.interest.base import Longs, States
from streams.state.changelog import Claim
from streams.state.store import PartitionState

# Users evicted at a time beyond those who must go, so that not every batch has to look for some.
SLACK = 1_000
# Users evicted at a time because others stayed before: more than a bound holds at worst, less than a batch can feel.
CATCH_UP = 4_000
# The coldest are looked for among so many times those who go, taken evenly from all rows; and among so many rows at
# least, or all. Where most of a sample stay, the bound is reached some batches later, by other samples.
SAMPLE = 4
LEAST = 10_000


class File(Protocol):
    """Values by partition and user id; a later one replaces the one before."""

    def put(self, partition: int, values: Mapping[str, bytes]) -> None:
        """Keep values by user."""
        ...

    def get(self, partition: int, users: list[str]) -> list[bytes | None]:
        """The value of each user, None where there never was one."""
        ...

    def values(self, partition: int) -> Iterable[tuple[str, bytes]]:
        """All of a partition."""
        ...


class Shelf(Protocol):
    """Tails by row (see `tails`)."""

    def waits(self, row: int) -> bool: ...
    def take_out(self, row: int) -> bytes: ...
    def load(self, tails: Mapping[int, bytes]) -> None: ...


class Evictor:
    """Keeps one partition's users in memory to a bound."""

    def __init__(self, file: File, most: int) -> None:
        """most: users in memory between two batches, but for those who have to stay."""
        self.file, self.most = file, most
        self.tails: Shelf
        # Users in the file and not in memory. Who came back leaves a value in the file that nobody asks for.
        self.count = 0
        self.evictions = self.returns = 0
        # Of the users evicted so far by the term of their last change: its highest number, the farthest place of
        # a record; and whether an older state came behind that of one.
        self._terms: dict[int, tuple[int, int]] = {}
        self._stale = False
        self._entered = 0  # users since the last eviction
        self._turn = 0

    def bring_back(self, part: PartitionState, users: list[str], rows: Longs) -> None:
        """Put those of the users (n,) who were evicted into their new rows (n,), as they were."""
        self._entered += len(users)
        if not self.count:
            return
        found = self.file.get(part.partition, users)
        here = [(row, value) for row, value in zip(rows.tolist(), found, strict=True) if value is not None]
        if not here:
            return
        size = part.layout.size
        payload = b"".join([memoryview(value)[:size] for _, value in here])
        back = np.array([row for row, _ in here], dtype=np.int64)
        part.put(back, np.frombuffer(payload, dtype=np.uint8).reshape(-1, size))
        self.tails.load({row: value[size:] for row, value in here if len(value) > size})
        self.count -= len(here)
        self.returns += len(here)

    def trim(self, part: PartitionState) -> None:
        """Evict until no more users than allowed are in memory; between batches only."""
        excess = len(part) - self.most
        if excess <= 0:
            return
        rows = self._coldest(part, min(excess, CATCH_UP + self._entered) + min(SLACK, self.most // 8))
        self._entered = 0
        if len(rows):
            self._evict(part, rows)

    def recall(self, part: PartitionState, claims: Sequence[Claim]) -> None:
        """After a recovery: bring back everyone of whom something may not be out, as the claims say."""
        if not self._stale and all(self._covered(claim) for claim in claims):
            return
        dtype, size = part.layout.dtype, part.layout.size

        def out(value: bytes) -> bool:
            state = np.frombuffer(value[:size], dtype)
            return all(claim.covers(state)[0] for claim in claims)

        values = self.file.values(part.partition)
        part.rows([user for user, value in values if user not in part.row_of and not out(value)])

    def _covered(self, claim: Claim) -> bool:
        """True where nobody evicted so far can be one of whom the claim says nothing."""
        return all(
            change <= claim.change if term == claim.term else place < claim.read_to
            for term, (change, place) in self._terms.items()
        )

    def _coldest(self, part: PartitionState, count: int) -> Longs:
        """Rows of about the `count` least recently active users of those who may go; exactly, where they are few."""
        step = max(1, len(part.users) // max(LEAST, SAMPLE * count))
        self._turn += 1
        sample = np.arange(self._turn % step, len(part.users), step)
        offsets = part.layout.view(part.arena)["offset"][sample]
        ordered = sample[np.argsort(offsets, kind="stable")].tolist()
        users, due, publishing, waits = part.users, part.due, part.publishing, self.tails.waits
        free = (
            row
            for row in ordered
            if users[row] and row not in due and row not in publishing and not waits(row)
        )
        return np.array(list(islice(free, count)), dtype=np.int64)

    def _note(self, states: States) -> None:
        self._stale = self._stale or bool((states["place"] < 0).any())
        for term in np.unique(states["term"]).tolist():
            own = states[states["term"] == term]
            change, place = self._terms.get(term, (0, 0))
            self._terms[term] = max(change, int(own["change"].max())), max(place, int(own["place"].max()))

    def _evict(self, part: PartitionState, rows: Longs) -> None:
        taken, size = part.take(rows), part.layout.size
        self._note(part.layout.view(taken))
        payload, take_out = taken.tobytes(), self.tails.take_out
        self.file.put(
            part.partition,
            {
                part.users[row]: payload[at * size : (at + 1) * size] + take_out(row)
                for at, row in enumerate(rows.tolist())
            },
        )
        part.leave(rows)
        self.count += len(rows)
        self.evictions += len(rows)
