"""History folded again, in memory: the same bits as the live run, whatever its batches were."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest

from encoders.text.hashing import HashingEncoder
from streams.flow.flow import Flow
from streams.history.replay import BATCH, replay
from streams.state.users.partition import UserPartition
from tests.streams.flows import DIM, T0, Record, apply, make_flow, record

PARTITIONS = 3
ACTIONS = ("click", "rate", "dislike", "search", "impression", "purchase")


def history(count: int) -> list[Record]:
    """Events of some users over several partitions, interleaved, in offset order per partition."""
    rng = np.random.default_rng(7)
    offsets = [0] * PARTITIONS
    log = []
    for _ in range(count):
        user, action = int(rng.integers(30)), str(rng.choice(ACTIONS))
        one = record(
            offsets[user % PARTITIONS],
            f"u{user}",
            None if action == "search" else f"i{rng.integers(9)}",  # i8 is in no catalog
            action=action,
            value=float(rng.integers(1, 6)),
            text="red hat" if action == "search" else None,
            timestamp=T0 + int(rng.integers(10**9)),
        )
        one.partition = user % PARTITIONS
        offsets[one.partition] += 1
        log.append(one)
    return log


def live(log: list[Record], batch: int) -> tuple[Flow, dict[bytes, Any]]:
    """Each partition in batches of this size, as agents would feed it."""
    flow, published = make_flow(), {}
    for number in range(PARTITIONS):
        own = [one for one in log if one.partition == number]
        flow.partitions[number] = UserPartition(number, flow.layout)
        for begin, end in pairwise([*range(0, len(own), batch), len(own)]):
            published.update(apply(flow, own[begin:end], number).vectors)
    return flow, published


def replayed(log: list[Record]) -> tuple[Flow, dict[bytes, Any]]:
    flow = make_flow()
    return flow, dict(replay(flow, HashingEncoder(DIM), log))


def states(flow: Flow, name: str) -> dict[str, bytes]:
    """A part of each user's state, as bytes."""
    return {
        user: flow.layout.view(part.arena)[name][row].tobytes()
        for part in flow.partitions.values()
        for user, row in part.row_of.items()
    }


@pytest.mark.parametrize("batch", [1, 7, 400])
def test_a_replay_gives_the_bits_of_the_live_run(batch: int) -> None:
    log = history(900)
    flow, published = live(log, batch)
    again, vectors = replayed(log)
    assert {key: orjson.loads(v)["vector"] for key, v in published.items()} == {
        key: orjson.loads(v)["vector"] for key, v in vectors.items()
    }
    assert states(again, "model") == states(flow, "model")
    assert len(vectors) == 30


def test_a_replay_remembers_the_same_events_as_the_live_run() -> None:
    log = history(900)
    assert states(replayed(log)[0], "history") == states(live(log, 7)[0], "history")


def test_a_replay_cuts_its_own_batches_and_forgets_no_rest() -> None:
    log = history(4 * BATCH)
    flow, vectors = replayed(log)
    assert min(len([one for one in log if one.partition == n]) for n in range(PARTITIONS)) > BATCH
    assert sum(part.books["read"] for part in flow.partitions.values()) == len(log)
    assert vectors.keys() == live(log, 400)[1].keys()


def test_a_replay_books_what_the_live_run_booked() -> None:
    log = history(300)
    flow, _ = live(log, 50)
    again, _ = replayed(log)
    for number in range(PARTITIONS):
        assert again.partitions[number].books == flow.partitions[number].books


def test_a_replay_of_nothing_is_nothing() -> None:
    assert replayed([])[1] == {}
