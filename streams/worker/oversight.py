"""Who is told how a worker fares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streams.ops.backoff import Backoff
from streams.ops.endpoints import Health
from streams.ops.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Oversight:
    """Of one worker. backoff: asks again what is away, and says so.

    fail: ends the process; called with what could not be handled.
    """

    metrics: Metrics
    health: Health
    backoff: Backoff
    fail: Callable[[BaseException], None]
