"""Which ids events wait for, and what in the catalog they may have meant: `interestflow audit --waiting`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
import orjson
from confluent_kafka import Message

from streams.history.books.near_misses import NearMisses, differences
from streams.history.books.topics_read import Pass
from streams.interest.base import Longs
from streams.kafka.clients import client_config
from streams.kafka.reading import ReadError
from streams.settings.settings import Settings
from streams.state.changelog import CONTROL_KEYS
from streams.state.restore import ORDER
from streams.state.users.layout import UserLayout
from streams.state.users.variable_parts import waiting_in
from streams.state.users.waiting import Waiting
from streams.wiring.app import build_flow

# Ids of the catalog named beside one that is waited for.
MOST_NEAR = 5

User = tuple[int, bytes]
CatalogStatus = Literal["unknown", "removed", "known"]


@dataclass(slots=True)
class Near:
    """An id of the catalog, and in what it differs from one that is waited for."""

    item_id: str
    differs: list[str]


@dataclass(slots=True)
class Awaited:
    """One id. bytes: of the events. catalog: unknown, removed, or known, so that a worker will apply the events."""

    item_id: str
    events: int = 0
    bytes: int = 0
    users: int = 0
    catalog: CatalogStatus = "unknown"
    near: list[Near] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """events, bytes, items: of all ids. waiting: those that most events wait for, most first."""

    events: int
    bytes: int
    items: int
    waiting: list[Awaited]


def waiting_for(settings: Settings, most: int) -> Report:
    """Read the state topic and the embeddings. most: ids to list. Raises ReadError, SettingsError."""
    report = summed(_states(settings).waiting(), most)
    embeddings = Pass(client_config(settings), settings.topics.embeddings).chunks()
    compare(report.waiting, ((m.key() or b"", m.value() is not None) for chunk in embeddings for m in chunk))
    return report


def waiting_offsets(settings: Settings) -> dict[int, Longs]:
    """Offsets in the canonical topic of all events that wait, by partition. Raises ReadError, SettingsError."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for (partition, _), event in _states(settings).waiting():
        found[partition].append(event.offset)
    return {partition: np.array(offsets, dtype=np.int64) for partition, offsets in found.items()}


def _states(settings: Settings) -> States:
    config, states = (
        client_config(settings),
        States(build_flow(settings, "").layout, settings.topics.state),
    )
    # Twice: of two records of a user the newer counts, whichever stands behind, and few users wait.
    for messages in Pass(config, settings.topics.state).chunks():
        states.find(messages)
    for messages in Pass(config, settings.topics.state).chunks():
        states.read(messages)
    return states


class States:
    """The newest states of the users who wait, from changelog records in any order."""

    def __init__(self, layout: UserLayout, topic: str) -> None:
        self._size, self._topic = layout.size, topic
        fields: Mapping[str, Any] = layout.dtype.fields or {}
        self._order = [fields[name][1] for name in ORDER]
        self._users: set[User] = set()
        self._newest: dict[User, tuple[list[int], list[Waiting]]] = {}

    def find(self, messages: Iterable[Message]) -> None:
        """Note the users who waited at any time. Raises ReadError."""
        for user, value in self._records(messages):
            if self._tail(value):
                self._users.add(user)

    def read(self, messages: Iterable[Message]) -> None:
        """Take the records of these users. Raises ReadError."""
        for user, value in self._records(messages):
            if user in self._users:
                order = [int.from_bytes(value[at : at + 8], "little", signed=True) for at in self._order]
                known = self._newest.get(user)
                if known is None or order >= known[0]:
                    self._newest[user] = order, self._tail(value)

    def waiting(self) -> Iterator[tuple[User, Waiting]]:
        """All events that wait, with their users."""
        for user, (_, events) in self._newest.items():
            for event in events:
                yield user, event

    def _records(self, messages: Iterable[Message]) -> Iterator[tuple[User, bytes]]:
        for message in messages:
            key, value = message.key(), message.value()
            if value is not None and key not in CONTROL_KEYS:
                yield (int(message.partition() or 0), key or b""), value

    def _tail(self, value: bytes) -> list[Waiting]:
        try:
            if len(value) >= self._size:
                return waiting_in(value[self._size :])
        except msgspec.DecodeError:
            pass
        raise ReadError(
            f"{self._topic} holds states of other settings than these (model, dimensions, history length or window of "
            f"event ids): run this with the settings of the worker"
        )


def summed(waiting: Iterable[tuple[User, Waiting]], most: int) -> Report:
    """Sum events by the id that they wait for."""
    found: dict[str, Awaited] = {}
    users: defaultdict[str, set[User]] = defaultdict(set)
    for user, event in waiting:
        one = found.setdefault(event.item_id, Awaited(event.item_id))
        one.events += 1
        one.bytes += len(event.event)
        users[event.item_id].add(user)
    for item_id, own in users.items():
        found[item_id].users = len(own)
    listed = sorted(found.values(), key=lambda one: (-one.events, one.item_id))[:most]
    return Report(
        sum(o.events for o in found.values()), sum(o.bytes for o in found.values()), len(found), listed
    )


def compare(listed: list[Awaited], embeddings: Iterable[tuple[bytes, bool]]) -> None:
    """Say of each id whether the catalog has it, or nearly. embeddings: (id, has a vector), the newest last."""
    near, by_id = NearMisses(one.item_id for one in listed), {one.item_id: one for one in listed}
    live: dict[str, bool] = {}
    for key, has_vector in embeddings:
        item_id = key.decode(errors="replace")
        if item_id in live or item_id in by_id or near.of(item_id):
            live[item_id] = has_vector
    for item_id in sorted(live):
        if item_id in by_id:
            by_id[item_id].catalog = "known" if live[item_id] else "removed"
        for wanted in near.of(item_id) if live[item_id] else ():
            if len(by_id[wanted].near) < MOST_NEAR:
                by_id[wanted].near.append(Near(item_id, differences(wanted, item_id)))


def show(report: Report, as_json: bool) -> str:
    """As one JSON object, or as lines for a person."""
    if as_json:
        return orjson.dumps(asdict(report)).decode()
    if not report.events:
        return "no event waits for an item"
    lines = [
        f"{report.events:,} events ({report.bytes:,} bytes) wait for {report.items:,} items:",
        f"{'events':>10}{'bytes':>12}{'users':>10}  item",
    ]
    lines += [
        f"{o.events:>10,}{o.bytes:>12,}{o.users:>10,}  {o.item_id!r}{_remarks(o)}" for o in report.waiting
    ]
    left = report.items - len(report.waiting)
    return "\n".join([*lines, *([f"and {left:,} more items: --most lists more"] if left else [])])


def _remarks(one: Awaited) -> str:
    text = {
        "unknown": "",
        "removed": ", which was removed",
        "known": ", which the catalog has: a running worker applies them",
    }[one.catalog]
    if one.near:
        near = ", ".join(f"{other.item_id!r} ({' and '.join(other.differs)})" for other in one.near)
        text += f"; the catalog has {near}"
    return text
