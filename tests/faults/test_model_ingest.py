"""Seeded schedules of ingest; and that they tell when one of the things that make it right is left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streams.events import provenance
from streams.kernels.compiling import numpy_only
from streams.state.origins import Origins
from tests.faults.deployment import Problems
from tests.faults.model_ingest import Rules
from tests.faults.model_ingest_schedule import Schedule
from tests.faults.trials import SEED, Tally, require, trials

# A mutation must be found within so many schedules.
ENOUGH = 200
Patch = pytest.MonkeyPatch


def breaches(seed: str, rules: Rules) -> Problems:
    return {name: found for name, found in Schedule(seed, rules).run().items() if found}


def test_schedules_of_ingest() -> None:
    tally, started = Tally("model: ingest killed, paused, replaced, refused"), time.monotonic()
    for number in range(trials(5_000, 60)):
        tally.record(f"schedule {number}", Schedule(f"{SEED} {number}", Rules()).run())
    tally.seconds = time.monotonic() - started
    require([tally])


def no_dedupe_by_origin(patch: Patch) -> Rules:
    patch.setattr(Origins, "sift", lambda _, origins: (np.zeros(len(origins), dtype=bool), {}))
    return Rules()


def last_rank_wins(patch: Patch) -> Rules:
    """What came last is remembered, and not the highest."""
    sift = Origins.sift

    def sifted(origins: Origins, given: Any) -> Any:
        again, _ = sift(origins, given)
        return again, {(o.stream, o.partition): o.rank for o in given if o is not None}

    patch.setattr(Origins, "sift", sifted)
    return Rules()


def ranks_not_kept(patch: Patch) -> Rules:
    """The progress record says nothing of the ranks."""
    patch.setattr(Origins, "copy", lambda _: {})
    return Rules()


def index_left_out(patch: Patch) -> Rules:
    """Events of one record are told apart no more."""
    patch.setattr(provenance, "rank_of", lambda offset, index: offset << provenance.INDEX_BITS)
    return Rules()


MUTATIONS: dict[str, Callable[[Patch], Rules]] = {
    "no dedupe by origin": no_dedupe_by_origin,
    "the last rank wins": last_rank_wins,
    "ranks are not in the mark": ranks_not_kept,
    "an origin without the event's index": index_left_out,
    "records behind a refused one are taken": lambda _: Rules(gapless=False),
    "committed before it is delivered": lambda _: Rules(awaited=False),
    "a source made anew keeps its id": lambda _: Rules(ids=False),
    "a position stays where nothing is committed": lambda _: Rules(seeks=False),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_of_ingest_is_found(name: str) -> None:
    for number in range(ENOUGH):
        with numpy_only(), pytest.MonkeyPatch.context() as patch:  # mutations are of Python functions
            found = breaches(f"mutation {number}", MUTATIONS[name](patch))
        if found and not breaches(f"mutation {number}", Rules()):
            print(f"{name}: schedule {number} breaches {found}")  # shown by `pytest -s`
            return
    raise AssertionError(f"{name} went unnoticed in {ENOUGH} schedules")
