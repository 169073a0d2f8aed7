"""The points at which a worker can be told to kill itself, or to dawdle, put around the built worker's methods.

Changelog and outputs are topics of their own, so a crash may leave either without the other. The points make
each case happen for certain, not once in a thousand kills.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from sinks.base import TopicRecords
from streams.kafka.member.consumer import Consumer
from streams.worker import ownership
from streams.worker.worker import Worker
from tests.faults import item_points
from tests.faults.passages import ACK_DEADLINE_S, Passages, die

AROUND_ACKS = ("before changelog ack", "after changelog ack", "before output ack", "after output ack")
AROUND_COMMIT = ("before commit", "after commit")
RECOVERY = ("in recovery", "after recovery")
POINTS = (*AROUND_ACKS, *AROUND_COMMIT, *RECOVERY)
# Of a worker that ingests: the last acked canonical records are acknowledged by nobody, and are written again.
AROUND_INGEST = ("before canonical ack", "after canonical ack")
# Not to die at: every recovery has read all, and goes on only after so many seconds.
SLOW_RECOVERY, SLOW_S = "slow recovery", 3.0
# Not to die at: the broker refuses one record of a batch. Point -> the setting that names its topic.
REFUSALS = {
    "refused state": "state",
    "refused vector": "vectors",
    "refused canonical event": "events",
    "refused rejection": "rejected",
}
# More than any of our topics takes.
REFUSED_BYTES = 20_000_000


def arm(worker: Worker, point: str, nth: int) -> None:
    """Let the worker die at its `nth` passage of the point."""
    passages = Passages(nth)
    if point in AROUND_ACKS:
        _arm_sink(worker, point, passages)
    elif point in AROUND_INGEST:
        _arm_ingest(worker, point, passages)
    elif point in item_points.POINTS:
        item_points.arm(worker, point, passages)
    elif point in item_points.MUTANTS:
        item_points.MUTANTS[point]()
    elif point in AROUND_COMMIT:
        _arm_commit(point, passages)
    elif point in RECOVERY:
        _arm_recovery(worker, point, passages)
    elif point in REFUSALS:
        _arm_refusal(worker, getattr(worker.settings.topics, REFUSALS[point]), passages)
    elif point == SLOW_RECOVERY:
        _slow_recovery()
    else:
        of_items = (*item_points.POINTS, *item_points.MUTANTS)
        known = (*POINTS, *AROUND_INGEST, *of_items, *REFUSALS, SLOW_RECOVERY)
        raise ValueError(f"no point {point!r}; there are: {', '.join(known)}")


def _arm_sink(worker: Worker, point: str, passages: Passages) -> None:
    sink, state = worker.publisher.sink, worker.settings.topics.state
    publish: Callable[[Sequence[TopicRecords]], Future[None]] = sink.publish

    def deliver(groups: Sequence[TopicRecords]) -> None:
        publish(groups).result(ACK_DEADLINE_S)

    def wrapped(groups: Sequence[TopicRecords]) -> Future[None]:
        changelog = [group for group in groups if group.topic == state and len(group.records) > 1]
        outputs = [group for group in groups if group.topic != state]
        if changelog and passages.last():
            if point == "before changelog ack":  # on the broker or not: nobody here knows
                publish(groups)
            elif point == "after changelog ack":  # the changelog alone is on the broker
                deliver(changelog)
            elif point == "before output ack":  # the outputs alone are on the broker
                deliver(outputs)
            else:  # all is on the broker, and the batch not acknowledged
                deliver(groups)
            die()
        return publish(groups)

    sink.publish = wrapped  # type: ignore[method-assign]


def _arm_ingest(worker: Worker, point: str, passages: Passages) -> None:
    sink, topic = worker.publisher.sink, worker.settings.topics.canonical
    publish: Callable[[Sequence[TopicRecords]], Future[None]] = sink.publish

    def wrapped(groups: Sequence[TopicRecords]) -> Future[None]:
        canonical = any(group.topic == topic and group.records for group in groups)
        done = publish(groups)
        if canonical and passages.last():
            if point == "after canonical ack":  # else they are on the broker or not: nobody here knows
                done.result(ACK_DEADLINE_S)
            die()
        return done

    sink.publish = wrapped  # type: ignore[method-assign]


def _arm_refusal(worker: Worker, topic: str, passages: Passages) -> None:
    """One record in the middle of the nth batch for a topic is larger than the topic takes: the broker refuses it."""
    sink = worker.publisher.sink
    publish: Callable[[Sequence[TopicRecords]], Future[Sequence[int]]] = sink.publish

    def wrapped(groups: Sequence[TopicRecords]) -> Future[Sequence[int]]:
        # Of the state only changes of users, with their progress record behind them.
        found = [i for i, g in enumerate(groups) if g.topic == topic and len(g.records) > ("state" in topic)]
        if not found or not passages.last():
            return publish(groups)
        spoiled = list(groups)
        spoiled[found[0]] = _spoiled(groups[found[0]])
        return publish(spoiled)

    sink.publish = wrapped  # type: ignore[method-assign]


def _spoiled(group: TopicRecords) -> TopicRecords:
    records = list(group.records)
    middle = (len(records) - 1) // 2
    records[middle] = records[middle][0], b"x" * REFUSED_BYTES
    return replace(group, records=records)


def _arm_commit(point: str, passages: Passages) -> None:
    commit = Consumer._commit

    async def wrapped(self: Any, offsets: Any) -> Any:
        last = passages.last()
        if last and point == "before commit":
            die()
        done = await commit(self, offsets)
        if last:
            die()
        return done

    Consumer._commit = wrapped


def _arm_recovery(worker: Worker, point: str, passages: Passages) -> None:
    recover = ownership.recover

    def recovering(*arguments: Any, **named: Any) -> Any:
        states = recover(*arguments, **named)
        if passages.last():
            die()
        return states

    if point == "in recovery":  # a part of the changelog is read
        worker.metrics.recovered = _Progress(passages)  # type: ignore[assignment]
    else:  # all is read, and nothing installed
        ownership.recover = recovering


def _slow_recovery() -> None:
    recover = ownership.recover

    def recovering(*arguments: Any, **named: Any) -> Any:
        states = recover(*arguments, **named)
        time.sleep(SLOW_S)
        return states

    ownership.recover = recovering


class _Progress:
    """Where recovery says how far it is."""

    def __init__(self, passages: Passages) -> None:
        self.passages = passages

    def set(self, _users: float) -> None:
        if self.passages.last():
            die()
