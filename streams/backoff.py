"""Waiting for what is away (the encoder, the brokers): again and again, ever more slowly, for all to see.

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

from streams.metrics import Health, Metrics

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_S = 0.5
LONGEST_S = 30.0


class GaveUpError(RuntimeError):
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
                        started = self._clock()
                        with self._lock:
                            self._waiting[stage] += 1
                    self._pause(stage, error, advice, pause, self.deadline - (self._clock() - started))
                pause = min(2 * pause, LONGEST_S)
        finally:
            if started is not None:
                self._resume(stage)

    def stop(self) -> None:
        """Wait for nothing any more: whoever waits gets StoppedError."""
        self._stopping.set()

    def _pause(self, stage: str, error: Exception, advice: str, pause: float, left: float) -> None:
        told = f"{stage}: {error}"
        if left <= 0:
            raise GaveUpError(
                f"{told}. This has lasted {self.deadline:g} s (INTERESTFLOW_RETRY_DEADLINE_S): {advice}"
            ) from error
        seconds = min(left, pause * self._rng.uniform(0.5, 1.0))
        log.warning("%s; trying again in %.1f s, for %.0f s more: %s", told, seconds, left, advice)
        self.metrics.retries.labels(stage).inc()
        self.metrics.paused.labels(stage).set(1)
        self.health.pause(stage, f"paused: {told}"[:500])
        if self._wait(seconds):
            raise StoppedError(told) from error

    def _resume(self, stage: str) -> None:
        with self._lock:
            self._waiting[stage] -= 1
            if not self._waiting[stage]:
                self.metrics.paused.labels(stage).set(0)
                self.health.resume(stage)
