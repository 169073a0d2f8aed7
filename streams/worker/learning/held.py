"""Publishes records only once others are delivered, so that they never stand in a topic without these."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import RLock
from typing import NamedTuple

from sinks.base import Delivery, Log, SinkError, TopicRecords


class _Held(NamedTuple):
    first: Delivery
    groups: Sequence[TopicRecords]
    delivered: Delivery


@dataclass(slots=True)
class HeldBack:
    """Of one log. In each lane records are published in the order in which they were handed over."""

    log: Log
    _lanes: dict[int, deque[_Held]] = field(default_factory=lambda: defaultdict(deque))
    # Held while records are published: deliveries end on the sink's thread, others are handed over meanwhile.
    _lock: RLock = field(default_factory=RLock)

    def publish(self, lane: int, first: Delivery, groups: Sequence[TopicRecords]) -> Delivery:
        """Publish the groups once `first` is delivered. The result is theirs; it fails where either fails."""
        delivered: Future[Sequence[int]] = Future()
        delivered.set_running_or_notify_cancel()
        with self._lock:
            self._lanes[lane].append(_Held(first, groups, delivered))
        first.add_done_callback(lambda _: self._release(lane))
        return delivered

    def _release(self, lane: int) -> None:
        with self._lock:
            held = self._lanes[lane]
            while held and held[0].first.done():
                self._pass_on(held.popleft())

    def _pass_on(self, held: _Held) -> None:
        try:
            held.first.result()
            published = self.log.publish(held.groups)
        except SinkError as error:
            held.delivered.set_exception(error)
            return
        published.add_done_callback(lambda done: _tell(done, held.delivered))


def _tell(done: Delivery, delivered: Delivery) -> None:
    error = done.exception()
    if error is None:
        delivered.set_result(done.result())
    else:
        delivered.set_exception(error)
