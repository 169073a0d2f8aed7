"""Repeats calls that fail because something is away (the encoder, the brokers), ever more slowly, and says so.

Pauses double from FIRST_S to LONGEST_S, each shortened at random by up to a half, so that workers that lost the
same thing do not all come back at the same moment ("equal jitter", M. Brooker, Exponential Backoff And Jitter).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TypeVar

from streams.ops.endpoints import Health
from streams.ops.kafka_errors import describe
from streams.ops.metrics import Metrics
from streams.settings.errors import UserError

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_S = 0.5
LONGEST_S = 30.0
# A broker that fails over is back sooner; what lasts longer needs a person.
ADVICE_AFTER_S = 10.0


class GaveUpError(UserError):
    """What was waited for did not come back in time; the message says what to do."""


class StoppedError(RuntimeError):
    """The worker ends while something is waited for; what depends on it is not acknowledged."""


class Backoff:
    """Repeats what fails for a while. Blocks its caller's thread; any thread may call."""

    def __init__(
        self,
        metrics: Metrics,
        health: Health,
        deadline_s: float,
        *,
        rng: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """deadline_s: from the first failure of a call to giving up. clock: monotonic seconds.

        wait: sleeps so many seconds; true where it is to end instead (see `stop`).
        """
        self.metrics, self.health, self.deadline = metrics, health, deadline_s
        self._rng, self._clock = rng or Random(), clock
        self._stopping = threading.Event()
        # How many callers wait, by stage: it pauses until the last of them goes on.
        self._waiting: Counter[str] = Counter()
        # By stage: when the first of them began to wait, and when a warning was logged last.
        self._began: dict[str, float] = {}
        self._advised: dict[str, float] = {}
        self._lock = threading.Lock()
        self._wait = wait or self._stopping.wait

    def call(
        self, stage: str, attempt: Callable[[], T], passing: Callable[[Exception], bool], advice: str
    ) -> T:
        """What `attempt` returns in the end. passing: whether an error may go away by itself; others go on at once.

        stage: the metrics' label. advice: what a person can do. Raises GaveUpError, StoppedError.
        """
        started: float | None = None
        pause = FIRST_S
        try:
            while True:
                try:
                    return attempt()
                except Exception as error:  # `passing` knows which
                    if not passing(error):
                        raise
                    if started is None:
                        started = self._begin(stage, error)
                    self._pause(stage, error, advice, pause, self.deadline - (self._clock() - started))
                pause = min(2 * pause, LONGEST_S)
        finally:
            if started is not None:
                self._resume(stage)

    def stop(self) -> None:
        """Wait for nothing any more: whoever waits gets StoppedError."""
        self._stopping.set()

    def _begin(self, stage: str, error: Exception) -> float:
        """Count the caller among those who wait; when its wait began."""
        now = self._clock()
        with self._lock:
            self._waiting[stage] += 1
            first = self._waiting[stage] == 1
            if first:
                self._began[stage] = self._advised[stage] = now
        if first:
            log.warning("%s: %s; trying again for up to %g s", stage, describe(error), self.deadline)
        return now

    def _remind(self, stage: str, error: Exception, advice: str, left: float) -> None:
        """Say what to do, where it lasts, once in a while."""
        now = self._clock()
        with self._lock:
            lasted = now - self._began[stage]
            due = lasted >= ADVICE_AFTER_S and now - self._advised[stage] >= ADVICE_AFTER_S
            if due:
                self._advised[stage] = now
        if due:
            log.warning(
                "%s: %s, for %.0f s now; trying again for %.0f s more: %s",
                stage,
                describe(error),
                lasted,
                left,
                advice,
            )

    def _pause(self, stage: str, error: Exception, advice: str, pause: float, left: float) -> None:
        said = f"{stage}: {describe(error)}"
        if left <= 0:
            raise GaveUpError(
                f"{said}. This has lasted {self.deadline:g} s (INTERESTFLOW_RETRY_DEADLINE_S): {advice}"
            ) from error
        seconds = min(left, pause * self._rng.uniform(0.5, 1.0))
        self._remind(stage, error, advice, left)
        self.metrics.retries.labels(stage).inc()
        self.metrics.paused.labels(stage).set(1)
        self.health.pause(stage, f"paused: {said}"[:500])
        if self._wait(seconds):
            raise StoppedError(said) from error

    def _resume(self, stage: str) -> None:
        with self._lock:
            self._waiting[stage] -= 1
            if not self._waiting[stage]:
                self.metrics.paused.labels(stage).set(0)
                self.health.resume(stage)
                if not self._stopping.is_set():
                    log.info("%s: waits no more, after %.1f s", stage, self._clock() - self._began[stage])
