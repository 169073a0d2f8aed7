"""Flows that fold the canonical log of the ingest model: as it stands, and as it should count."""

from __future__ import annotations

from typing import Any

import orjson

from streams.flow.flow import Flow
from streams.state.changelog import TopicIdentity
from streams.state.restore import Restoring
from streams.state.users.partition import UserPartition
from tests.faults.model_ingest import EVENTS_ID, EVENTS_TOPIC, event_name
from tests.streams.flows import Record, apply, make_flow

EVENTS = TopicIdentity(EVENTS_TOPIC, 1, EVENTS_ID)


def fresh(changelog: dict[bytes, bytes] | None = None) -> Flow:
    """A flow with the state that a changelog gives."""
    flow = make_flow(dedupe_window=1, recommend=False)
    flow.reads_from(EVENTS)
    restoring = Restoring(UserPartition(0, flow.layout))
    if changelog:
        restoring.add(list(changelog), list(changelog.values()), range(len(changelog)))
        flow.partitions[0] = restoring.state(EVENTS)
    return flow


def plain(record: Record, offset: int) -> Record:
    """The event with an id that no other has and no origin: nothing about it can be taken for a repeat."""
    event = orjson.loads(record.value or b"")
    return Record(orjson.dumps({**event, "event_id": event_name(record)}), offset)


def whole(log: list[Record]) -> Flow:
    """All in one go."""
    flow = fresh()
    if log:
        apply(flow, log)
    return flow


def rows(flow: Flow) -> dict[str, Any]:
    part: UserPartition = flow.partitions[0]
    view = part.layout.view(part.arena)
    return {
        user: {"count": int(view["applied"][row]), "model": view["model"][row].tobytes()}
        for user, row in part.row_of.items()
        if view["accepted"][row]
    }
