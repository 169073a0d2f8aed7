"""Feedback in the model of crashes, pauses, replaced owners and compaction: the counts are those of the log."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import orjson
import pytest

from streams.flow.feedback import counting
from streams.flow.feedback.counting import counts_of
from streams.flow.flow import Flow
from streams.settings.settings import Settings
from streams.state.changelog import FeedbackCounts, Progress
from streams.state.store import PartitionState
from streams.state.users.partition import UserPartition
from streams.wiring.app import build_flow
from tests.faults import model_parts, model_worker
from tests.faults.deployment import Problems
from tests.faults.model import Rules
from tests.faults.model_oracle import folded
from tests.faults.model_parts import DIM, new_flow, recovered
from tests.faults.model_schedule import Schedule
from tests.faults.trials import trials

# A mutation must be found within so many schedules.
ENOUGH = 600
FEEDBACK = "I8 feedback is the log's"
Patch = pytest.MonkeyPatch


@lru_cache(maxsize=8)
def kit(window: int, learns: bool = False) -> tuple[Settings, Flow]:
    """As the model's own, with feedback; few impressions are remembered, and windows end."""
    settings = Settings(
        dimensions=DIM,
        encoder="hashing",
        dedupe_window=window,
        history_length=40,
        top_k=2,
        reasons=1,
        learn_items=learns,
        feedback=True,
        feedback_remembered=2,
        feedback_window_s=400_000,
    )
    return settings, build_flow(settings, "hashing@test")


@pytest.fixture(autouse=True)
def _with_feedback(monkeypatch: Patch) -> None:
    monkeypatch.setattr(model_parts, "kit", kit)
    monkeypatch.setattr(model_worker, "kit", kit)


class FeedbackSchedule(Schedule):
    """Half of the events say that an item was shown."""

    def _value(self) -> bytes:
        value = super()._value()
        event: dict[str, Any] | None = orjson.loads(value) if value[:1] == b"{" else None
        new = event is not None and event["event_id"] == f"e{len(self.broker.source)}"
        if event is None or not new or self.rng.random() < 0.5:
            return value
        arm, source = self.rng.choice(("exploit", "explore")), self.rng.choice(("own", "content"))
        own = f"0.{arm}.{source}.1-0-3-1-{event['user_id']}"
        return orjson.dumps({**event, "action": "impression", "recommendation_id": own})

    def _problems(self) -> Problems:
        state = recovered(self.broker, new_flow(self.window))
        oracle = folded(self.broker, self.window, self.broker.source).partitions[0]
        found = [] if counts(state) == counts(oracle) else [f"{counts(state)} is not {counts(oracle)}"]
        found += [
            f"{user} has other impressions"
            for user in oracle.users
            if waits(state, user) != waits(oracle, user)
        ]
        return {**super()._problems(), FEEDBACK: found}


def counts(part: UserPartition) -> dict[str, int]:
    return counts_of(part).counts


def waits(part: UserPartition, user: str) -> list[Any]:
    found: list[Any] = part.layout.view(part.arena)["shown"][part.row_of[user]].tolist()
    return found


def breaches(seed: str, rules: Rules) -> Problems:
    return {name: found for name, found in FeedbackSchedule(seed, rules).run().items() if found}


@pytest.mark.parametrize("learns", [False, True])
def test_schedules(learns: bool) -> None:
    """With items' signals, whose delivery holds the states and the counts back, and without."""
    for number in range(trials(2000, 120)):
        assert breaches(f"feedback {number}", Rules(learns=learns)) == {}


def behind_the_rows(patch: Patch) -> None:
    """The counts stand in the progress record alone."""
    patch.setattr(PartitionState, "feedback_record", lambda part: [])


def counted_again(patch: Patch) -> None:
    """Whatever is folded is counted."""

    def count(part: PartitionState, joined: Any, last_offset: int) -> Any:
        before = counts_of(part)
        part.feedback = FeedbackCounts(-1, before.counts)
        return original(part, joined, last_offset)

    original = counting.count
    patch.setattr("streams.flow.feedback.feedback.count", count)


@pytest.mark.parametrize("mutate", [behind_the_rows, counted_again])
def test_a_mutation_is_found(mutate: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutate(monkeypatch)
    for number in range(ENOUGH):
        if FEEDBACK in breaches(f"feedback {number}", Rules(learns=number % 2 > 0)):
            return
    pytest.fail(f"{mutate.__name__} was not found")


def test_the_higher_counts_are_kept_whoever_wrote_them() -> None:
    """A paused owner's counts come with its rows, behind the first record of whoever replaced it."""
    counts = FeedbackCounts(7, {"shown.exploit.own": 2})
    old = msgspec.structs.replace(progress(4, epoch=1), feedback=counts)
    new = msgspec.structs.replace(progress(4, epoch=2), feedback=FeedbackCounts(4, {}))
    for one, other in ((old, new), (new, old)):
        assert one.or_newer(other) == msgspec.structs.replace(new, feedback=counts)
    assert progress(4, epoch=2).or_newer(old).feedback == counts
    assert progress(4, epoch=2).or_newer(progress(3, epoch=9)).feedback is msgspec.UNSET


def progress(offset: int, epoch: int) -> Progress:
    part = UserPartition(0, new_flow(1).layout)
    part.processed_offset, part.deliveries.epoch = offset, epoch
    return Progress.of(part.progress_record(model_parts.SOURCE)[1])


def test_progress_without_feedback_is_written_as_before() -> None:
    part = UserPartition(0, new_flow(1).layout)
    _, value = part.progress_record(model_parts.SOURCE)
    assert "feedback" not in msgspec.json.decode(value)
    part.feedback = FeedbackCounts(3, {"shown.exploit.own": 1})
    _, value = part.progress_record(model_parts.SOURCE)
    assert Progress.of(value).feedback == part.feedback
