"""Calls that may block for long, each on a daemon thread: the end of the process waits for none of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


async def call_on_daemon_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Returns or raises what the function does. A caller that stops waiting leaves it running."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name=getattr(function, "__name__", "daemon call"), daemon=True).start()
    return await asyncio.wrap_future(future)
