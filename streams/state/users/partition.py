"""The users of one partition: rows by key, and what only users have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streams.interest.base import Longs
from streams.state.changelog import NOTHING, OutputProgress, Progress
from streams.state.store import PartitionState
from streams.state.users.layout import UserLayout
from streams.state.users.variable_parts import UserVariableParts


class UserPartition(PartitionState):
    """All users of one partition of the canonical topic."""

    layout: UserLayout
    variable_parts: UserVariableParts

    def __init__(self, partition: int, layout: UserLayout, capacity: int = 1024) -> None:
        """capacity: users for whom room is made at first."""
        super().__init__(partition, layout, UserVariableParts(layout.consumed), capacity)
        self.consumed, self.waiting = self.variable_parts.consumed, self.variable_parts.waiting
        # Row -> number of its first change since its last recommendation, 0 for one of an earlier epoch.
        self.due: dict[int, int] = {}
        # The same, of rows whose recommendation is under way.
        self.publishing: dict[int, int] = {}
        # True once a progress record has said that no row is due.
        self.none_due_recorded = True
        # Which changes had delivered recommendations when the state was recovered.
        self.recommended_before = NOTHING

    @property
    def users(self) -> list[str]:
        """The user id of each row, empty for a free row."""
        return self.keys

    def may_leave(self, rows: Iterable[int]) -> Iterator[int]:
        """Those of the rows that are not due a recommendation: these are known by their row."""
        due, publishing = self.due, self.publishing
        return (row for row in rows if row not in due and row not in publishing)

    def set_due(self, rows: Longs) -> None:
        """Let the users of these rows, which change with the next progress record, have a recommendation."""
        due, sequence = self.due, self.sequence + 1
        for row in rows.tolist():
            due.setdefault(row, sequence)

    def deferred(self) -> OutputProgress:
        """Which changes have delivered recommendations."""
        due = min([*self.due.values(), *self.publishing.values()], default=None)
        self.none_due_recorded = due is None
        if due == 0:
            return self.recommended_before
        return OutputProgress(
            self.deliveries.epoch, self.sequence if due is None else due - 1, self.deliveries.read_to
        )

    def resume(self, progress: Progress | None, epoch: int, read_to: int) -> None:
        """Continue from the newest progress record that a recovery found; the variable parts are loaded."""
        super().resume(progress, epoch, read_to)
        if progress is not None:
            self.recommended_before = progress.deferred
            self._book_applied()

    def claims(self) -> tuple[OutputProgress, ...]:
        """Which changes have delivered vectors, and recommendations."""
        return *super().claims(), self.recommended_before

    def find_outstanding(self) -> None:
        """After a recovery: find the users whose records, vectors or recommendations are to be published again."""
        super().find_outstanding()
        self.due = dict.fromkeys(self.not_covered(self.recommended_before).tolist(), 0)

    def _book_applied(self) -> None:
        """Book waiting events that were applied in states whose progress record was never written: their worker ended
        before."""
        waiting = self.waiting.up_to(self.processed_offset)
        ended = self.books["waiting"] - waiting
        if ended:
            self.books["waiting"] = waiting
            # Fewer than none: a paused worker's newer states came back, in which these events wait again.
            self.books["recovered" if ended > 0 else "applied"] += ended
