"""The thread that owns states and catalog, and those from which the encoder is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from encoders.core.base import Encoder, close
from streams.events.isolation import EverythingFailsError
from streams.ops.backoff import Backoff
from streams.ops.metrics import Metrics

T = TypeVar("T")
STAGE = "encode"
# Who may ask at once: an update, a catalog batch, and events whose item has come. What is computed at once is the
# encoder's own affair.
CALLERS = 3
ADVICE = "see what the encoder says, free its device's memory or reach its server"


class ModelThread:
    """The one thread that reads and changes states and catalog: they need no locks."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "model")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns or raises there; calls are taken in their order."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def close(self) -> None:
        """Stop it, once what was asked is done."""
        self._thread.shutdown(wait=True)


class EncoderThreads:
    """Never the event loop: a long batch there would cost the worker its membership of the group."""

    def __init__(self, encoder: Encoder, metrics: Metrics, backoff: Backoff) -> None:
        """encoder: may be called by several threads at once."""
        self.encoder, self.metrics, self.backoff = encoder, metrics, backoff
        self._threads = ThreadPoolExecutor(CALLERS, "encode")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What it returns; where the encoder fails for everything, it waits, as does whoever else asks.

        Raises GaveUpError, StoppedError.
        """
        call = partial(self.backoff.call, STAGE, partial(function, *arguments), _fails, ADVICE)
        with self.metrics.observe(STAGE):
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Stop encoder and threads; what is asked still is finished, or fails at the encoder's own deadline."""
        close(self.encoder)
        self._threads.shutdown(wait=True)


def _fails(error: Exception) -> bool:
    """True where it is not a text that fails but the encoder, which may be well again."""
    return isinstance(error, EverythingFailsError | MemoryError)
