"""What the model's schedules must come to: the whole log, folded by a fresh flow in one go."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from streams.flow.flow import Flow
from streams.flow.learning.said import Said
from streams.flow.outputs import ORDER
from streams.history.audit import OUTCOMES
from streams.state.users.partition import UserPartition
from tests.faults.deployment import Problems
from tests.faults.invariants import digest
from tests.faults.model import Broker
from tests.faults.model_parts import ENCODER, item_vector, new_flow
from tests.streams.flows import Record

# Event ids per user, at least, so that every repeat of a schedule is told: more than a user has events in between.
WIDE = 16
# Fields that depend on which events a state took in; the others also on the order in which they were applied.
ORDERLESS = ("offset", "applied", "accepted", "recent_ids")


def folded(broker: Broker, window: int, records: Sequence[Record], said: list[Said] | None = None) -> Flow:
    """These records in one go, with every item that there is. said: takes what they say of items."""
    flow = new_flow(window, said is not None)
    for item_id in (*broker.embeddings[0], *broker.embeddings[1]):
        flow.catalog.put(item_id, item_vector(item_id))
    flow.partitions[0] = UserPartition(0, flow.layout)
    if records:
        decoded = flow.decode(records)
        updated = flow.update(0, decoded, ENCODER.encode(decoded.texts()))
        if said is not None:
            said.append(updated.said)
    return flow


def problems(broker: Broker, window: int, state: UserPartition, early: set[str]) -> Problems:
    """Each invariant's breaches, of the state that was recovered in the end. early: items known from the start."""
    oracle = folded(broker, window, broker.source)
    found: Problems = {
        "I1 none lost": _lost(oracle, state),
        "I2 none twice": _twice(oracle, state) + _ids(broker, window, state),
        "I3 same bits": [],
        "I4 output is final": _outputs(oracle, broker, state),
        "I5 books balance": _books(broker, state),
        "I6 committed is durable": list(broker.problems),
    }
    if not found["I1 none lost"] and not found["I2 none twice"]:
        reordered = folded(broker, window, _as_applied(broker, state)).partitions[0]
        for user in state.users:
            found["I3 same bits"] += _other_bits(state, oracle.partitions[0], reordered, user)
            found["I3 same bits"] += _other_order(oracle, state, user, early)
    return found


def _lost(oracle: Flow, state: UserPartition) -> list[str]:
    expected = oracle.partitions[0]
    found = [f"{user} has no state" for user in expected.users if user not in state.row_of]
    for user in expected.row_of.keys() & state.row_of.keys():
        ours, theirs = (int(_row(part, user)["applied"]) for part in (state, expected))
        if ours < theirs:
            found.append(f"{user} counts {ours} of {theirs} events")
    return found


def _twice(oracle: Flow, state: UserPartition) -> list[str]:
    expected = oracle.partitions[0]
    found = [f"{user} is not in the log" for user in state.users if user not in expected.row_of]
    for user in expected.row_of.keys() & state.row_of.keys():
        ours, theirs = _row(state, user), _row(expected, user)
        other = ours["applied"] == theirs["applied"] and ours["digest"] != theirs["digest"]
        if ours["applied"] > theirs["applied"] or other:
            found.append(f"{user} counts {ours['applied']} events, the log {theirs['applied']}, or others")
    return found


def _ids(broker: Broker, window: int, state: UserPartition) -> list[str]:
    """With a window wide enough for every repeat, each id counts once: told without the flow's help."""
    ids: dict[str, set[str]] = defaultdict(set)
    for record in broker.source:
        if record.value and record.value[:1] == b"{":
            event = orjson.loads(record.value)
            ids[event["user_id"]].add(event["event_id"])
    found = []
    for user in ids.keys() & state.row_of.keys():
        late = {
            orjson.loads(broker.source[offset].value or b"")["event_id"] for offset in _waiting(state, user)
        }
        if window >= WIDE and _row(state, user)["digest"] != digest(sorted(ids[user] - late), "model"):
            found.append(f"{user} counts other events than the log holds")
    return found


def _row(part: UserPartition, user: str) -> Any:
    return part.layout.view(part.arena)[part.row_of[user]]


def _history(part: UserPartition, user: str) -> Any:
    """The ring's entries in the order in which they were applied."""
    entries = _row(part, user)["history"]
    return np.sort(entries[entries["time"] > 0], order="ordinal")


def _as_applied(broker: Broker, state: UserPartition) -> list[Record]:
    """The events that moved an interest, in the order in which the states say they were applied.

    An event that waits is applied later than others that came after it, which changes the bits of a sum. Each time
    is one event's, so the ring of remembered events tells the order; the ids are new, so that none is a repeat.
    """
    by_time = {}
    for record in broker.source:
        if record.value and record.value[:1] == b"{":
            event = orjson.loads(record.value)
            by_time[event["user_id"], event["timestamp"]] = event
    records = []
    for user in state.users:
        for entry in _history(state, user).tolist():
            event = by_time.get((user, entry[1]))
            if event is not None:
                event = {**event, "event_id": f"applied {len(records)}"}
                records.append(Record(orjson.dumps(event), len(records)))
    return records


def _other_bits(
    state: UserPartition, expected: UserPartition, reordered: UserPartition, user: str
) -> list[str]:
    ours, theirs = _row(state, user), _row(expected, user)
    differing = [name for name in ORDERLESS if ours[name].tobytes() != theirs[name].tobytes()]
    if user in reordered.row_of:
        again = _row(reordered, user)
        differing += [
            name
            for name in ("model", "history", "rating_sum", "rating_count")
            if ours[name].tobytes() != again[name].tobytes()
        ]
        if state.consumed.pack(state.row_of[user]) != reordered.consumed.pack(reordered.row_of[user]):
            differing.append("consumed")
    if _waiting(state, user) != _waiting(expected, user):
        differing.append("waiting")
    return [f"{user}: {', '.join(differing)} are not the oracle's"] if differing else []


def _waiting(part: UserPartition, user: str) -> list[int]:
    return [waiting.offset for waiting in part.waiting.of_row.get(part.row_of[user], ())]


def _other_order(oracle: Flow, state: UserPartition, user: str, early: set[str]) -> list[str]:
    """Each event is applied once, and those that never waited in log order."""
    ours, theirs = _history(state, user), _history(oracle.partitions[0], user)
    if Counter(ours["time"].tolist()) != Counter(theirs["time"].tolist()):
        return [f"{user}: other events were applied than the oracle's"]
    known = {int(oracle.catalog.keys[oracle.catalog.row_of[item]]) for item in early} | {0}
    orders = [[e[1] for e in entries.tolist() if e[0] in known] for entries in (ours, theirs)]
    return [f"{user}: events were applied out of order"] if orders[0] != orders[1] else []


def _outputs(oracle: Flow, broker: Broker, state: UserPartition) -> list[str]:
    """What consumers keep is the final state; and every rejected record is kept."""
    found, model = [], oracle.model
    vectors, recommended = (_newest(broker.outputs[name]) for name in ("vectors", "recommendations"))
    for user in state.users:
        row = _row(state, user).reshape(1)
        signals = int(model.counts(row["model"])[0])
        if not signals:
            continue
        vector, place = vectors.get(user), recommended.get(user)
        if vector is None or vector["count"] != signals:
            found.append(f"{user}: its vector is of {vector and vector['count']} events, not {signals}")
        elif b64decode(vector["vector"]) != model.interest(row["model"]).vectors.tobytes():
            found.append(f"{user}: its vector is not that of the state")
        if place is None or place["count"] != signals:
            found.append(f"{user}: its recommendation is older than its state")
    broken = {b"%d" % r.offset for r in broker.source if r.value is None or r.value[:1] != b"{"}
    lost = broken - {key for key, _ in broker.outputs["rejected"]}
    return found + ([f"rejected records are lost: {sorted(lost)}"] if lost else [])


def _newest(records: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    newest: dict[str, Any] = {}
    for key, value in records:
        record, user = orjson.loads(value), key.decode()
        known = newest.get(user)
        if known is None or _order(record) >= _order(known):
            newest[user] = record
    return newest


def _order(record: dict[str, Any]) -> tuple[int, ...]:
    return tuple(record[name] for name in ORDER)


def _books(broker: Broker, state: UserPartition) -> list[str]:
    """As `interestflow audit` has it; and what the books call waiting does wait."""
    books, found = state.books, []
    told = sum(books[name] for name in OUTCOMES)
    told += sum(count for name, count in books.items() if name.startswith("rejected."))
    if books["read"] != len(broker.source):
        found.append(f"{len(broker.source)} records, of which the books call {books['read']} read")
    if told != books["read"]:
        found.append(f"{books['read']} records were read, {told} have an outcome")
    if books["waiting"] != state.waiting.count:
        found.append(f"the books call {books['waiting']} events waiting, {state.waiting.count} do")
    return found
