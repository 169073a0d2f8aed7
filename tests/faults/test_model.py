"""Seeded schedules of the model; and that they tell when one of the things that make it right is left out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from streams.kernels.compiling import numpy_only
from streams.state.changelog import OutputProgress, Progress
from streams.state.deliveries import Deliveries
from streams.state.restore import Restoring
from streams.state.store import NO_OFFSET
from streams.state.users import duplicates
from streams.state.users.partition import UserPartition
from tests.faults.deployment import Problems
from tests.faults.model import Rules
from tests.faults.model_schedule import Schedule
from tests.faults.trials import SEED, Tally, require, trials

# A mutation must be found within so many schedules.
ENOUGH = 1000
Patch = pytest.MonkeyPatch


def breaches(seed: str, rules: Rules) -> Problems:
    return {name: found for name, found in Schedule(seed, rules).run().items() if found}


def test_schedules() -> None:
    tally, started = Tally("model: crashes, pauses, compaction"), time.monotonic()
    for number in range(trials(20_000, 500)):
        tally.record(f"schedule {number}", Schedule(f"{SEED} {number}", Rules()).run())
    tally.seconds = time.monotonic() - started
    require([tally])


@pytest.mark.parametrize("number", [9281, 17191])
def test_of_two_workers_that_applied_what_had_waited_in_another_order_the_later_counts(number: int) -> None:
    """Two in 20,000: the replaced worker's vector or state of the very same events came last."""
    assert breaches(f"0 {number}", Rules(refuses=False)) == {}


def test_of_two_workers_that_read_the_same_events_in_other_batches_the_later_counts() -> None:
    """One in 20,000: the replaced worker's vector had the same events and a higher offset, which moved nothing."""
    assert breaches("0 5444", Rules()) == {}


def no_dedupe_by_offset(patch: Patch) -> Rules:
    patch.setattr(UserPartition, "offsets", lambda part, rows: np.full(len(rows), NO_OFFSET))
    return Rules()


def no_window_of_ids(patch: Patch) -> Rules:
    patch.setattr(duplicates, "new_events", lambda states, rows, keys: np.ones(len(keys), dtype=bool))
    return Rules()


def last_record_wins(patch: Patch) -> Rules:
    def last_of_each(_: Any, arena_rows: Any, rows: Any) -> Any:
        last = {row: index for index, row in enumerate(arena_rows.tolist())}
        return np.array(sorted(last.values()), dtype=np.int64)

    patch.setattr(Restoring, "_newest", last_of_each)
    return Rules()


def last_mark_wins(patch: Patch) -> Rules:
    patch.setattr(Progress, "newest", lambda known, record: msgspec.json.decode(record, type=Progress))
    return Rules()


def published_out_of_order(patch: Patch) -> Rules:
    """A batch that is delivered counts, though one before it is not."""
    record = UserPartition.progress_record

    def done_first(part: UserPartition, source: Any) -> tuple[bytes, bytes]:
        pending = part.deliveries
        pending._pending = deque(sorted(pending._pending, key=lambda entry: not entry.delivered.done()))
        return record(part, source)

    patch.setattr(UserPartition, "progress_record", done_first)
    return Rules()


def ends_unseen(patch: Patch) -> Rules:
    """An owner that has nothing to write does not notice that others do."""
    patch.setattr(Deliveries, "observe_end", lambda deliveries, end: deliveries.settle())
    return Rules()


def one_claim_for_all(patch: Patch) -> Rules:
    """What others wrote counts as out, wherever it stands."""
    patch.setattr(
        OutputProgress,
        "covers",
        lambda claim, states: (states["epoch"] != claim.epoch) | (states["sequence"] <= claim.sequence),
    )
    return Rules()


MUTATIONS: dict[str, Callable[[Patch], Rules]] = {
    "no dedupe by offset": no_dedupe_by_offset,
    "no window of event ids": no_window_of_ids,
    "the last record wins": last_record_wins,
    "the last mark wins": last_mark_wins,
    "no re-publish": lambda _: Rules(republish=False),
    "the end of the changelog is not looked at": ends_unseen,
    "what a replaced owner wrote counts as out": one_claim_for_all,
    "no repair in a recovery": lambda _: Rules(repair=False),
    "a compaction lag shorter than a pause": lambda _: Rules(long_lag=False),
    "acknowledged before it is delivered": lambda _: Rules(awaited=False),
    "committed out of order": lambda _: Rules(in_order=False),
    "records behind a refused one are taken": lambda _: Rules(gapless=False),
    "published out of order": published_out_of_order,
}


def first_breach(mutation: Callable[[Patch], Rules]) -> tuple[int, Problems]:
    """The first schedule that breaks an invariant with the mutation, and not without it."""
    for number in range(ENOUGH):
        seed = f"mutation {number}"
        with pytest.MonkeyPatch.context() as patch:
            found = breaches(seed, mutation(patch))
        if found and not breaches(seed, Rules()):
            return number + 1, found
    return ENOUGH, {}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found(name: str) -> None:
    with numpy_only():  # mutations are of Python functions
        number, found = first_breach(MUTATIONS[name])
    print(f"{name}: schedule {number} breaches {found}")  # shown by `pytest -s`
    assert found, f"{name} went unnoticed in {ENOUGH} schedules"
