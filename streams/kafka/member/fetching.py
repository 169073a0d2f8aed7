"""aiokafka's client and fetcher, tuned: the fetch ahead of the fold, patience at the start.

Private names of aiokafka 0.14 are overridden; tests/contracts guards them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams.kafka.member import own_aiokafka, whole_batches
from streams.kafka.reading import ISOLATION

# aiokafka keeps one fetch per broker in flight, and a broker answers one request of a connection at a time. A
# fetch that waits for idle partitions therefore holds up those that have data: 1.5 s in stock Faust.
FETCH_MAX_WAIT_MS = 25
# The same while records of some partitions are still to be taken, which are left out of a fetch.
BUSY_MAX_WAIT_MS = 5
# How long a drained partition is not fetched because others still have unread data: 0.1 s in aiokafka.
PREFETCH_BACKOFF_S = 0.002
# Between attempts to meet a broker for the first time.
BOOTSTRAP_PAUSE_S = 1.0
# Between attempts to learn where the partitions are, while no broker answers; as `retry.backoff.ms` elsewhere.
METADATA_PAUSE_S = 0.1
CANCEL_AGAIN_S = 0.1


class Reset(NamedTuple):
    """A partition no longer holds `asked`, the offset that was to be read; it is read from `begin` instead."""

    tp: TP
    asked: int
    begin: int


class KeenFetcher(own_aiokafka.fetcher.Fetcher):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's fetcher, tuned to keep the fetch ahead of the fold; committed transactions only.

    Faust asks for read_committed only where it writes transactions of its own.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        own = {"prefetch_backoff": PREFETCH_BACKOFF_S, "isolation_level": ISOLATION}
        super().__init__(*args, **{**options, **own})
        self._in_flight: set[int] = _InFlight(self)
        # The offset that was last asked for, until another is set from outside.
        self._asked: dict[TP, int] = {}
        # What the consumer's thread has found, for the one that takes the records.
        self.resets: deque[Reset] = deque()

    def positions(self, partitions: Collection[TP]) -> dict[TP, int]:
        """Offset to be read next: behind the records handed out, and behind what holds none for a reader.

        That is markers of transactions, aborted records and what compaction has removed.
        """
        assigned = self._subscriptions.subscription
        if assigned is None or assigned.assignment is None:
            return {}
        states = {tp: assigned.assignment.state_value(tp) for tp in partitions}
        known = {tp: state for tp, state in states.items() if state is not None and state.has_valid_position}
        return {tp: state.position for tp, state in known.items()}

    def unread(self, tp: TP) -> int | None:
        """How far the end of a partition's committed records is from the position; None where unknown."""
        position = self.positions([tp]).get(tp)
        if position is None:
            return None
        end = self._subscriptions.subscription.assignment.state_value(tp).lso
        return None if end is None else max(0, end - position)

    def forget_resets(self, partitions: Collection[TP]) -> None:
        """Of partitions that were set to other offsets since."""
        left = [self.resets.popleft() for _ in range(len(self.resets))]
        self.resets.extend(reset for reset in left if reset.tp not in partitions)

    def seek_to(self, tp: TP, offset: int) -> None:
        """As aiokafka's."""
        self._asked.pop(tp, None)
        super().seek_to(tp, offset)

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> Any:
        for topic, partitions in request.topics:
            for partition, offset, _ in partitions:
                self._asked[TP(topic, partition)] = offset
        try:
            return await super()._proc_fetch_request(assignment, node_id, request)
        except asyncio.CancelledError:
            # aiokafka's takes its cancellation for an answer that nobody wants, but not while it pauses after a
            # failure: then its close() would fail, and the worker would wait for it until its deadline.
            return False

    async def _update_fetch_positions(self, assignment: Any, node_id: int, tps: Any) -> Any:
        """As aiokafka's, which resets in silence a position that is out of range."""
        # One that has no committed offset awaits its reset only within.
        lost = {tp: self._asked.get(tp) for tp in tps if assignment.state_value(tp).awaiting_reset}
        woken = await super()._update_fetch_positions(assignment, node_id, tps)
        for tp, asked in lost.items():
            state = assignment.state_value(tp)
            # A seek from outside forgets what was asked for.
            if asked is not None and self._asked.get(tp) == asked and state.has_valid_position:
                self.resets.append(Reset(TP(*tp), asked, state.position))
        return woken

    def _get_actions_per_node(self, assignment: Any) -> Any:
        self._fetch_max_wait_ms = BUSY_MAX_WAIT_MS if self._records else FETCH_MAX_WAIT_MS
        return super()._get_actions_per_node(assignment)

    async def close(self) -> None:
        """As aiokafka's, which may never return: while it awaits a task that it has cancelled because an assignment
        ended, its loop takes its own cancellation for that of the task, and goes on.
        """
        self._closed = True
        while not self._fetch_task.done():
            self._fetch_task.cancel()
            await asyncio.wait([self._fetch_task], timeout=CANCEL_AGAIN_S)
        await super().close()


class PatientClient(AIOKafkaClient):  # type: ignore[misc]
    """aiokafka's client, which waits between attempts to reach a broker; a worker's look at its brokers bounds it."""

    async def bootstrap(self) -> None:
        """Until a broker answers."""
        while True:
            try:
                await super().bootstrap()
                return
            except KafkaConnectionError:
                await asyncio.sleep(BOOTSTRAP_PAUSE_S)

    async def _metadata_update(self, cluster: Any, topics: Any) -> bool:
        """As aiokafka's, with a pause after a failure: its fetcher asks again at once, a thousand times a second."""
        updated: bool = await super()._metadata_update(cluster, topics)
        if not updated:
            await asyncio.sleep(METADATA_PAUSE_S)
        return updated


class _InFlight(set[int]):
    """Brokers with a fetch under way; tells the fetcher when there is one less.

    aiokafka's loop may see that a fetch is done before its broker is taken out of this set, and then sends none
    until its timeout of 0.2 s: it waits for the tasks that are left, and this one is not among them any more.
    """

    def __init__(self, fetcher: Any) -> None:
        super().__init__()
        self._fetcher = fetcher

    def discard(self, node: Any) -> None:
        super().discard(node)
        self._fetcher._notify(self._fetcher._wait_consume_future)


def register() -> None:
    """Make aiokafka use them, which has no setting for it."""
    whole_batches.register()
    own_aiokafka.consumer.Fetcher = KeenFetcher
    own_aiokafka.consumer.AIOKafkaClient = PatientClient
