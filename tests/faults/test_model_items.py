"""Seeded schedules of the model with items: what users' workers say of them, and the workers that take it in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sinks.base import Delivery
from streams.flow.learning import speaking
from streams.items.signals import ItemSignals
from streams.kernels.compiling import numpy_only
from streams.state.items import partition
from streams.state.items.partition import ItemPartition
from streams.state.origins import Origins
from streams.state.store import NO_OFFSET
from streams.worker.learning.held import HeldBack
from tests.faults.deployment import Problems
from tests.faults.model import Rules
from tests.faults.model_item_worker import ItemSchedule
from tests.faults.model_schedule import Schedule
from tests.faults.test_model import ENOUGH, last_record_wins
from tests.faults.trials import SEED, Tally, require, trials

Patch = pytest.MonkeyPatch
LEARNING = Rules(learns=True)


def test_schedules() -> None:
    tally, started = Tally("model of items: crashes, pauses, compaction"), time.monotonic()
    for number in range(trials(20_000, 300)):
        tally.record(f"schedule {number}", Schedule(f"items {SEED} {number}", LEARNING).run())
    tally.seconds = time.monotonic() - started
    require([tally])


def test_schedules_of_workers_that_take_it_in() -> None:
    tally, started = Tally("model of items' states: crashes, pauses, compaction"), time.monotonic()
    for number in range(trials(10_000, 100)):
        tally.record(f"schedule {number}", ItemSchedule(f"taken in {SEED} {number}", Rules()).run())
    tally.seconds = time.monotonic() - started
    require([tally])


def no_dedupe_by_origin(patch: Patch) -> None:
    patch.setattr(partition, "take", lambda origins, stream, number, offsets: np.ones(len(offsets), bool))


def states_before_what_they_say(patch: Patch) -> None:
    def at_once(held: HeldBack, lane: int, first: Delivery, groups: Any) -> Delivery:
        return held.log.publish(groups)

    patch.setattr(HeldBack, "publish", at_once)


def unknown_items_are_not_spoken_of(patch: Patch) -> None:
    patch.setattr(speaking, "_of_unknown", lambda *_: (ItemSignals.none(), {}))


def rows_forget_what_they_took_in(patch: Patch) -> Rules:
    patch.setattr(ItemPartition, "offsets", lambda part, rows: np.full(len(rows), NO_OFFSET))
    return Rules()


def origins_are_not_kept(patch: Patch) -> Rules:
    """After a recovery, no signal is known to have been taken in."""
    resume = ItemPartition.resume

    def forgetful(part: ItemPartition, *arguments: Any) -> None:
        resume(part, *arguments)
        part.origins = Origins()

    patch.setattr(ItemPartition, "resume", forgetful)
    return Rules()


MUTATIONS: dict[str, Callable[[Patch], None]] = {
    "no dedupe by origin": no_dedupe_by_origin,
    "states are written before what they say is": states_before_what_they_say,
    "what waits for its item says nothing": unknown_items_are_not_spoken_of,
}
MUTATIONS_OF_STATES: dict[str, Callable[[Patch], Rules]] = {
    "rows forget what they took in": rows_forget_what_they_took_in,
    "origins are not kept": origins_are_not_kept,
    "the last record wins": last_record_wins,
}


def first_breach(run: Callable[[str, bool], Problems]) -> tuple[int, Problems]:
    """The first schedule that breaks an invariant with a mutation, and not without it. run: of a seed, with or without
    it."""
    for number in range(ENOUGH):
        seed = f"mutation of items {number}"
        found = {name: found for name, found in run(seed, True).items() if found}
        if found and not any(run(seed, False).values()):
            return number + 1, found
    return ENOUGH, {}


def tell(name: str, number: int, found: Problems) -> None:
    print(f"{name}: schedule {number} breaches {found}")  # shown by `pytest -s`
    assert found, f"{name} went unnoticed in {ENOUGH} schedules"


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_found(name: str) -> None:
    def run(seed: str, mutated: bool) -> Problems:
        with pytest.MonkeyPatch.context() as patch:
            if mutated:
                MUTATIONS[name](patch)
            return Schedule(seed, LEARNING).run()

    with numpy_only():  # mutations are of Python functions
        tell(name, *first_breach(run))


@pytest.mark.parametrize("name", MUTATIONS_OF_STATES)
def test_a_mutation_of_states_is_found(name: str) -> None:
    def run(seed: str, mutated: bool) -> Problems:
        with pytest.MonkeyPatch.context() as patch:
            return ItemSchedule(seed, MUTATIONS_OF_STATES[name](patch) if mutated else Rules()).run()

    with numpy_only():
        tell(name, *first_breach(run))
