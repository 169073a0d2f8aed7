"""A circuit breaker: a server that is away is left alone for a while, and then tried by one request.

Source: M. Nygard, Release It!, 2nd ed. 2018, ch. 5.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Circuit:
    """Closed, requests pass; open, none; half-open, one that decides. Any thread may call."""

    def __init__(self, threshold: int, rest_s: float, clock: Callable[[], float]) -> None:
        """threshold: failures in a row that open it. rest_s: seconds until one may try. clock: monotonic seconds."""
        self.threshold, self.rest_s = threshold, rest_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._tried_at: float | None = None  # when it opened, or last let one try; None while it is closed

    @property
    def closed(self) -> bool:
        """Whether any request may go."""
        return self._tried_at is None

    def enter(self) -> float:
        """0 where a request may go, which then says how it went; else the seconds until one may."""
        with self._lock:
            if self._tried_at is None:
                return 0.0
            left = self._tried_at + self.rest_s - self._clock()
            if left > 0:
                return left
            # The one that tries; should it never come back, another may after as long a rest.
            self._tried_at = self._clock()
            return 0.0

    def succeeded(self) -> None:
        """The server answers: closed."""
        with self._lock:
            self._failures, self._tried_at = 0, None

    def failed(self) -> None:
        """It does not; open after as many as allowed, and at once where one was trying."""
        with self._lock:
            self._failures += 1
            if self._failures >= self.threshold:
                self._tried_at = self._clock()
