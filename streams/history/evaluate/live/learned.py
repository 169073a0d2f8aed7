"""What the stream learns of items, in one process: in time, late, or frozen."""

from __future__ import annotations

from collections import deque

from streams.flow.flow import Flow
from streams.history.evaluate.live.questions import SPAN_MS, Frozen
from streams.items.signals import ItemSignals
from streams.items.states import ItemStates
from streams.items.table import ItemTable
from streams.recommend.abilities import UsesItems


class LearnedItems:
    """Takes what the fold says of items to the table that the recommender reads."""

    def __init__(self, flow: Flow, delay: int, frozen: Frozen | None) -> None:
        """delay: events that are folded between a signal and its arrival. frozen: signals arrive when an hour or a day
        of event time begins."""
        self._delay = delay
        self._span, self._now = (SPAN_MS[frozen] if frozen else 0), 0
        table = ItemTable(flow.catalog)
        self._states = ItemStates(table)
        self._events = 0
        # Signals under way, with the number of events when they were made.
        self._under_way: deque[tuple[int, ItemSignals]] = deque()
        if isinstance(flow.recommender, UsesItems):
            flow.recommender.use_items(table)

    def reach(self, time: int) -> None:
        """It is this time now, milliseconds."""
        if self._span and time // self._span > self._now:
            self._now = time // self._span
            self._take_in(self._events)

    def hear(self, signals: ItemSignals, events: int) -> None:
        """The signals of so many events that were folded."""
        self._events += events
        if len(signals):
            self._under_way.append((self._events, signals))
        if not self._span:
            self._take_in(self._events - self._delay)

    def _take_in(self, until: int) -> None:
        """Fold the signals that were made by this number of events."""
        while self._under_way and self._under_way[0][0] <= until:
            self._states.fold(self._under_way.popleft()[1])
