"""What is away is asked again, ever more slowly, for all to see, and not for ever."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random

import pytest

from streams.ops.backoff import FIRST_S, LONGEST_S, Backoff, GaveUpError, StoppedError
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics

ADVICE = "plug it in"


class Clockwork:
    """A backoff whose pauses pass at once, and are written down."""

    def __init__(self, deadline_s: float = 1000.0, attempt_s: float = 0.0) -> None:
        self.now, self.pauses, self.stopped, self.attempt_s = 0.0, [], False, attempt_s  # type: ignore[var-annotated]
        self.metrics, self.health = Metrics(), Health()
        self.health.set_ready(True)
        rng, clock = Random(7), lambda: self.now
        self.backoff = Backoff(self.metrics, self.health, deadline_s, rng=rng, clock=clock, wait=self._wait)

    def _wait(self, seconds: float) -> bool:
        self.now += seconds
        self.pauses.append(seconds)
        return self.stopped

    def call(self, failures: int, look: Callable[[], None] = lambda: None) -> int:
        """Fail so often, then return how often it was tried; look: at each attempt."""
        tried = 0

        def attempt() -> int:
            nonlocal tried
            tried += 1
            self.now += self.attempt_s
            look()
            if tried <= failures:
                raise ConnectionError("unplugged")
            return tried

        return self.backoff.call("lamp", attempt, lambda e: isinstance(e, ConnectionError), ADVICE)

    def sample(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"interestflow_{name}", {"stage": "lamp"})


def test_pauses_double_up_to_a_bound_and_are_shortened_at_random_by_up_to_a_half() -> None:
    clockwork = Clockwork()
    assert clockwork.call(10) == 11
    full = [min(FIRST_S * 2**n, LONGEST_S) for n in range(10)]
    assert all(whole / 2 <= pause <= whole for pause, whole in zip(clockwork.pauses, full, strict=True))
    assert len({pause / whole for pause, whole in zip(clockwork.pauses, full, strict=True)}) == 10
    assert clockwork.sample("retries_total") == 10


def test_a_pause_is_seen_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clockwork, seen = Clockwork(), []

    def look() -> None:
        seen.append((clockwork.sample("paused"), clockwork.health.readiness()))

    clockwork.call(2, look)
    (_, at_first), *during = seen
    assert at_first[0]
    assert during == [(1.0, (False, "paused: lamp: unplugged"))] * 2
    assert (clockwork.sample("paused"), clockwork.health.readiness()[0]) == (0.0, True)
    assert [line.getMessage() for line in caplog.records] == [
        "lamp: unplugged; trying again for up to 1000 s",
        f"lamp: waits no more, after {sum(clockwork.pauses):.1f} s",
    ]


def test_what_lasts_is_told_again_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    clockwork = Clockwork()
    clockwork.call(9)
    lines = [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]
    assert ADVICE not in lines[0]
    assert len(lines) > 2
    assert all("unplugged" in line and ADVICE in line for line in lines[1:])


@pytest.mark.parametrize("attempt_s", [0.0, 40.0])
def test_the_deadline_ends_it_and_says_what_to_do(attempt_s: float) -> None:
    """Whether the time goes in pauses or in attempts."""
    clockwork = Clockwork(deadline_s=60.0, attempt_s=attempt_s)
    with pytest.raises(GaveUpError, match="INTERESTFLOW_RETRY_DEADLINE_S") as raised:
        clockwork.call(10_000)
    assert ADVICE in str(raised.value)
    assert "unplugged" in str(raised.value)
    assert 60.0 <= clockwork.now <= 60.0 + 2 * attempt_s
    assert clockwork.health.readiness()[0]


def test_what_does_not_pass_by_itself_is_not_repeated() -> None:
    clockwork = Clockwork()

    def attempt() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        clockwork.backoff.call("lamp", attempt, lambda e: isinstance(e, ConnectionError), ADVICE)
    assert clockwork.pauses == []
    assert clockwork.sample("retries_total") is None


def test_who_is_stopped_waits_no_more() -> None:
    clockwork = Clockwork()
    clockwork.stopped = True
    with pytest.raises(StoppedError):
        clockwork.call(1)
    real = Backoff(Metrics(), Health(), 1000.0)
    real.stop()

    def attempt() -> None:
        raise ConnectionError

    with pytest.raises(StoppedError):
        real.call("lamp", attempt, lambda _: True, ADVICE)


def test_a_stage_is_paused_until_the_last_of_its_callers_goes_on() -> None:
    clockwork, seen = Clockwork(), []

    def other() -> None:
        clockwork.call(1)
        seen.append((clockwork.sample("paused"), clockwork.health.readiness()[0]))

    tried = iter([ConnectionError("unplugged"), None])

    def attempt() -> None:
        if error := next(tried):
            raise error
        other()

    clockwork.backoff.call("lamp", attempt, lambda e: isinstance(e, ConnectionError), ADVICE)
    assert seen == [(1.0, False)]
    assert (clockwork.sample("paused"), clockwork.health.readiness()[0]) == (0.0, True)
