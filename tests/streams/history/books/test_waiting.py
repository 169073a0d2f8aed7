"""Which ids events wait for, from the states' records in any order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import orjson
import pytest

from streams.history.books.waiting import Near, Report, States, compare, show, summed
from streams.interest.decay import DecayModel, HalfLife
from streams.kafka.reading import ReadError
from streams.state.changelog import PROGRESS_KEY
from streams.state.users.layout import UserLayout
from streams.state.users.variable_parts import UserVariableParts
from streams.state.users.waiting import Waiting

LAYOUT = UserLayout(DecayModel(4, HalfLife(5, "events"), HalfLife(9)), 4, "space")


@dataclass(frozen=True)
class Message:
    """What is read of a confluent-kafka message here."""

    k: bytes
    v: bytes | None
    p: int = 0

    def key(self) -> bytes:
        return self.k

    def value(self) -> bytes | None:
        return self.v

    def partition(self) -> int:
        return self.p


def state(user: str, offset: int, *items: str, partition: int = 0, count: int = 0, epoch: int = 0) -> Message:
    """A changelog record of a user of whom events wait for these items, and who has consumed one."""
    row = np.zeros((1, LAYOUT.size), dtype=np.uint8)
    view = LAYOUT.view(row)
    view["offset"], view["applied"], view["epoch"] = offset, count, epoch
    variable_parts = UserVariableParts(10)
    variable_parts.consumed.add(0, 7)
    for n, item in enumerate(items):
        variable_parts.waiting.add(0, Waiting(offset - n, item, 0, b"event", 0))
    return Message(user.encode(), row.tobytes() + variable_parts.pack(0), partition)


def report(*messages: Any, most: int = 20) -> Report:
    found = States(LAYOUT, "state")
    found.find(messages)
    found.read(messages)
    return summed(found.waiting(), most)


def waits(found: Report) -> dict[str, tuple[int, int, int]]:
    return {one.item_id: (one.events, one.users, one.bytes) for one in found.waiting}


def test_events_are_summed_by_id_the_most_waited_for_first() -> None:
    found = report(
        state("a", 3, "x", "y", "x"), state("b", 3, "x"), state("a", 5, "z", partition=1), state("c", 9),
        Message(PROGRESS_KEY, b"{}"), Message(b"d", None),
    )  # fmt: skip
    assert waits(found) == {"x": (3, 2, 15), "y": (1, 1, 5), "z": (1, 1, 5)}
    assert [one.item_id for one in found.waiting] == ["x", "y", "z"]
    assert (found.events, found.bytes, found.items) == (5, 25, 3)
    assert [one.item_id for one in report(state("a", 3, "x", "y", "x"), most=1).waiting] == ["x"]


def test_of_a_users_records_the_newest_counts_wherever_it_stands() -> None:
    records = (
        state("u", 1, "x"),
        state("u", 2, "x", "y"),
        state("u", 2, "y", count=1),
        state("u", 2, count=1, epoch=1),
    )
    for order in permutations(records):
        assert waits(report(*order)) == {}
    for order in permutations(records[:3]):
        assert waits(report(*order)) == {"y": (1, 1, 5)}


@pytest.mark.parametrize("value", [b"short", bytes(LAYOUT.size) + b"\x05\x00\x00\x00nonsense"])
def test_states_of_other_settings_are_refused_in_a_sentence(value: bytes) -> None:
    with pytest.raises(ReadError, match="state holds states of other settings"):
        report(Message(b"u", value))


def test_the_catalog_says_what_may_have_been_meant() -> None:
    found = report(state("u", 9, "SKU 7", "gone", "there", "new"))
    given = [("sku 7", True), ("SKU 07", True), ("sku7", True), ("sku7", False), ("gone", True), ("gone", False),
             ("there", True), ("other", True)]  # fmt: skip
    compare(found.waiting, [(item_id.encode(), live) for item_id, live in given])
    listed = {one.item_id: one for one in found.waiting}
    assert {item_id: one.catalog for item_id, one in listed.items()} == {
        "SKU 7": "unknown", "gone": "removed", "there": "known", "new": "unknown",
    }  # fmt: skip
    assert listed["SKU 7"].near == [Near("SKU 07", ["leading zeros"]), Near("sku 7", ["case"])]
    assert not listed["new"].near


def test_of_many_near_misses_a_few_are_named() -> None:
    found = report(state("u", 9, "7"))
    compare(found.waiting, [(b"0" * n + b"7", True) for n in range(1, 50)])
    assert len(found.waiting[0].near) == 5


def test_a_person_and_a_program_see_the_list() -> None:
    found = report(state("u", 9, " mug", "gone", "gone"), state("v", 9, "other"), most=2)
    compare(found.waiting, [(b"mug", True), (b"gone", False)])
    lines = [" ".join(line.split()) for line in show(found, as_json=False).splitlines()]
    assert lines == [
        "4 events (20 bytes) wait for 3 items:",
        "events bytes users item",
        "2 10 1 'gone', which was removed",
        "1 5 1 ' mug'; the catalog has 'mug' (space)",
        "and 1 more items: --most lists more",
    ]
    told = orjson.loads(show(found, as_json=True))
    assert (told["events"], told["items"], len(told["waiting"])) == (4, 3, 2)
    assert told["waiting"][1] == {
        "item_id": " mug", "events": 1, "bytes": 5, "users": 1, "catalog": "unknown",
        "near": [{"item_id": "mug", "differs": ["space"]}],
    }  # fmt: skip
    assert show(report(), as_json=False) == "no event waits for an item"
