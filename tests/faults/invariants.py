"""What must hold of every user after every fault. Each function returns one sentence per breach.

I1 no event is lost and I2 none counts twice, told by what the load wrote and by the oracle's fold of the log;
I3 state and published vector are the oracle's, bit for bit; I4 what consumers keep of the published records is
the final state; I5 the books balance; I6 the group has read all, in time (see `Deployment.settle`).
"""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any

from streams.interest.base import InterestModel
from streams.state.users.duplicates import event_key
from tests.faults.load import REPORTER
from tests.faults.log import Published, Row

WRAP = 1 << 64


def digest(event_ids: Sequence[str], source: str) -> int:
    """Order-free checksum of a set of canonical events, as a state keeps it. source: who reported them."""
    return sum(event_key(event_id, source) for event_id in event_ids) % WRAP


def none_lost(written: Mapping[str, Sequence[str]], rows: Mapping[str, Row]) -> list[str]:
    """I1: each user's state counts every event that the broker took."""
    problems = []
    for user, events in written.items():
        row = rows.get(user)
        count = int(row.state["applied"][0]) if row is not None else 0
        if count < len(set(events)):
            problems.append(f"{user}: {len(set(events))} events were written, the state counts {count}")
    return problems


def none_twice(written: Mapping[str, Sequence[str]], rows: Mapping[str, Row]) -> list[str]:
    """I2: each user's state counts nothing but those events, each once."""
    problems = []
    for user, row in rows.items():
        events, state = sorted(set(written.get(user, ()))), row.state
        if (count := int(state["applied"][0])) > len(events):
            problems.append(f"{user}: {len(events)} events were written, the state counts {count}")
        elif int(state["digest"][0]) != digest(events, REPORTER):
            problems.append(f"{user}: the state counts {count} events, but not those that were written")
    return problems


def same_bits(expected: Mapping[str, Row], rows: Mapping[str, Row]) -> list[str]:
    """I3, state: every field of every row that the log decides is the oracle's."""
    problems = [
        f"{user}: only {where}" for user, where in _only(expected, rows, "the oracle", "the changelog")
    ]
    for user in expected.keys() & rows.keys():
        ours, theirs = rows[user].state, expected[user].state
        differing = [name for name in theirs.dtype.names if ours[name].tobytes() != theirs[name].tobytes()]
        # Whose change was the last, its number and place are no part of what the log says.
        differing = [name for name in differing if name not in ("epoch", "sequence", "record_offset")]
        if differing:
            about = {
                name: (ours[name].tolist(), theirs[name].tolist()) for name in differing if name != "model"
            }
            problems.append(f"{user}: {', '.join(differing)} differ from the oracle's {about}"[:300])
        elif rows[user].tail != expected[user].tail:
            problems.append(f"{user}: what was consumed, or waits, differs from the oracle's")
    return problems


def same_models(expected: Mapping[str, Row], rows: Mapping[str, Row]) -> list[str]:
    """I3, of a fold of other records that say the same: only what an interest is made of is compared."""
    return [
        f"{user}: the state is not that of a fold of its distinct events"
        for user in sorted(expected.keys() & rows.keys())
        if expected[user].state["model"].tobytes() != rows[user].state["model"].tobytes()
    ]


def same_vectors(model: InterestModel, expected: Mapping[str, Row], published: Published) -> list[str]:
    """I3, output: the vector that consumers keep is the oracle's."""
    problems = []
    for user, record in published.newest.items():
        if user not in expected:
            problems.append(f"{user}: has a vector, but no event in the log")
        elif b64decode(record["vector"]) != model.interest(expected[user].state["model"]).vectors.tobytes():
            problems.append(f"{user}: the vector at offset {record['offset']} is not the oracle's")
    return problems


def outputs_are_final(model: InterestModel, rows: Mapping[str, Row], published: Published) -> list[str]:
    """I4: of each user the published record with the highest (generation, count, epoch, offset, version) is
    the final state.

    Only events that move an interest publish a vector, so the offset may be below the state's where none
    of those beyond it does; the vector, its time and its count may not differ.
    """
    moved = {user: row for user, row in rows.items() if int(model.counts(row.state["model"])[0]) > 0}
    problems = [
        f"{u}: only {where}" for u, where in _only(moved, published.newest, "the changelog", "the vectors")
    ]
    for user in moved.keys() & published.newest.keys():
        state, record = moved[user].state, published.newest[user]
        if b64decode(record["vector"]) != model.interest(state["model"]).vectors.tobytes():
            problems.append(
                f"{user}: the newest vector, at offset {record['offset']}, is not that of the state"
            )
        elif record["count"] != int(model.counts(state["model"])[0]):
            problems.append(f"{user}: the newest vector is made of {record['count']} events")
    return problems


def never_down(published: Published) -> list[str]:
    """I4, plain: where no paused or killed worker wrote, a user's records only go up."""
    return published.falls


def rejected_are_kept(broken: Set[tuple[int, ...]], rejected: Set[tuple[int, ...]]) -> list[str]:
    """I5: what is no event is in the topic of rejected records, and nothing else is."""
    lost, wrong = sorted(broken - rejected), sorted(rejected - broken)
    problems = [f"rejected, but not kept: {lost[:5]} of {len(lost)}"] if lost else []
    return problems + ([f"kept as rejected, but an event: {wrong[:5]} of {len(wrong)}"] if wrong else [])


def log_is_as_written(written: Mapping[str, Sequence[str]], logged: Mapping[str, Sequence[str]]) -> list[str]:
    """The harness itself: the canonical topic holds what the load wrote, and each once."""
    if {u: Counter(ids) for u, ids in written.items()} == {
        u: Counter(ids) for u, ids in logged.items() if ids
    }:
        return []
    return ["the log does not hold what the load wrote: the test is wrong, or the broker lost records"]


def _only(
    left: Mapping[str, Any], right: Mapping[str, Any], in_left: str, in_right: str
) -> list[tuple[str, str]]:
    found = [(user, f"in {in_left}") for user in sorted(left.keys() - right.keys())]
    return found + [(user, f"in {in_right}") for user in sorted(right.keys() - left.keys())]
