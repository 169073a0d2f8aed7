"""The thread that the encoder has to itself, and how it waits there for an encoder that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from streams.backoff import Backoff
from streams.isolation import EverythingFailsError
from streams.metrics import Metrics

T = TypeVar("T")
STAGE = "encode"
ADVICE = "see what the encoder says, free its device's memory or reach its server"


class EncoderThread:
    """Never the event loop: a long batch there would cost the worker its membership of the group."""

    def __init__(self, metrics: Metrics, backoff: Backoff) -> None:
        self.metrics, self.backoff = metrics, backoff
        self._thread = ThreadPoolExecutor(1, "encoder")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What it returns; where the encoder fails for everything, it waits, and what comes behind waits too.

        Raises GaveUpError, StoppedError.
        """
        call = partial(self.backoff.call, STAGE, partial(function, *arguments), _fails, ADVICE)
        with self.metrics.observe(STAGE):
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=True)


def _fails(error: Exception) -> bool:
    """True where it is not a text that fails but the encoder, which may be well again."""
    return isinstance(error, EverythingFailsError | MemoryError)
