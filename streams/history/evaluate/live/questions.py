"""Queries about users, as they are or as they were when the present hour or day began."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import numpy as np

from streams.flow.event_history import EventHistory
from streams.flow.flow import Flow
from streams.flow.queries import QueryBuilder
from streams.recommend import Queries
from streams.state.users.partition import UserPartition

# What is known of users and items is refreshed when an hour or a day of event time begins.
Frozen = Literal["hour", "day"]
SPAN_MS = {"hour": 3_600_000, "day": 86_400_000}
# No user's id.
NOBODY = "\x00"


class Questions:
    """Reads the states of a partition's users, whom the judge knows by number."""

    def __init__(self, flow: Flow, part: UserPartition, frozen: Frozen | None) -> None:
        """part: of the flow. frozen: see `Frozen`; by default a query shows its user as of now."""
        history = EventHistory(flow.layout.history, flow.catalog, ())
        self._builder = QueryBuilder(flow.model, flow.catalog, history, exclude_consumed=False)
        self._flow, self._part = flow, part
        self._span = SPAN_MS[frozen] if frozen else 0
        self._ids: dict[int, str] = {}
        # By user: a span's number, and the query as of its begin.
        self._kept: dict[int, tuple[int, Queries]] = {}

    def meet(self, user: int, user_id: str) -> None:
        """From now on the partition may have this user."""
        self._ids[user] = user_id

    def name(self, user: int) -> str:
        """The id of a user; NOBODY's before the first event."""
        return self._ids.get(user, NOBODY)

    def ask(self, user: int, time: int, exclude: Collection[int]) -> Queries:
        """A query of one user. time: milliseconds. exclude: catalog rows."""
        queries = self._as_of(user, time)
        return replace(queries, exclude=[exclude], as_of=np.array([time], dtype=np.int64))

    def before_update(self, user: int, time: int) -> None:
        """Call this before the user's state changes: a frozen query shows it as it was."""
        if self._span:
            self._as_of(user, time)

    def _as_of(self, user: int, time: int) -> Queries:
        if not self._span:
            return self._build(user)
        span = time // self._span
        kept = self._kept.get(user)
        if kept is None or kept[0] != span:
            kept = self._kept[user] = span, self._build(user)
        return kept[1]

    def _build(self, user: int) -> Queries:
        user_id = self.name(user)
        rows = self._part.rows([user_id])
        states = self._flow.layout.view(self._part.read_rows(rows))
        queries = self._builder.build(self._part, rows, states)
        if states["accepted"][0] == 0:
            self._part.leave_unseen(rows)
        return queries
