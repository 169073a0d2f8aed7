"""Whose a changelog record is: a gap among the owner's own records may hold some of its own; and how a guard ends."""

from __future__ import annotations

import asyncio
import itertools
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from streams.ops.daemon_calls import call_on_daemon_thread
from streams.ops.metrics import Metrics
from streams.state.changelog import OWNER_KEY, PROGRESS_KEY
from streams.state.deliveries import Deliveries
from streams.state.users.partition import UserPartition
from streams.worker import guard
from streams.worker.guard import others
from streams.worker.threads import ModelThread
from tests.streams.state.test_store import SOURCE, layout

OWN, REPLACED = 20, 10


def records_of(epoch: int) -> list[tuple[bytes, bytes | None]]:
    """A row and the progress record behind it, as an owner of this epoch writes them."""
    part = UserPartition(0, layout())
    part.deliveries = Deliveries(epoch)
    rows = part.rows(["somebody"])
    changed = part.read_rows(rows)
    part.set_version(part.layout.view(changed))
    part.write_rows(rows, changed)
    return [*part.records(rows, changed), part.progress_record(SOURCE)]


def test_rows_and_progress_records_of_another_term_are_others() -> None:
    assert others(records_of(REPLACED), layout(), OWN) == [b"somebody", PROGRESS_KEY]


def test_own_records_and_claims_of_the_partition_are_not() -> None:
    assert others([*records_of(OWN), (OWNER_KEY, b"{}")], layout(), OWN) == []


@pytest.mark.parametrize("value", [None, b"too short for a row"])
def test_what_does_not_say_whose_it_is_is_somebody_elses(value: bytes | None) -> None:
    assert others([(b"somebody", value)], layout(), OWN) == [b"somebody"]


class InUse:
    """A reader with which a thread is reading until it is released."""

    def __init__(self, *_: Any) -> None:
        self.reading, self.released, self.closed = threading.Event(), threading.Event(), False

    def bounds(self, _owned: list[int]) -> dict[int, tuple[int, int]]:
        self.reading.set()
        self.released.wait(10)
        return {}

    def close(self) -> None:
        self.closed = True


async def test_a_guard_that_is_stopped_leaves_a_reader_alone_with_which_a_thread_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To close it in the middle of a call crashes the process, or never returns."""
    reader = InUse()
    monkeypatch.setattr(guard, "Reader", lambda *_: reader)
    monkeypatch.setattr(guard, "PAUSE_S", 0.0)
    write_again: Any = None
    brokers: Any = SimpleNamespace(kafka={}, ask=call_on_daemon_thread)
    running = asyncio.ensure_future(
        guard.Guard[Any](
            *("state", {}, write_again, ModelThread(), brokers, Metrics()),
            itertools.count(0, guard.LOOK_S).__next__,
        ).run()
    )
    assert await asyncio.to_thread(reader.reading.wait, 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not reader.closed
    reader.released.set()
