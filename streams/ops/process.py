"""The worker's process: its garbage collector, and the hard ways out."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streams.ops.kafka_errors import describe
from streams.ops.process_start import spare_collector
from streams.ops.user_errors import USER_ERRORS

log = logging.getLogger(__name__)

FAILED, TOO_SLOW = 70, 75


@contextmanager
def spared_collector() -> Iterator[None]:
    """Make garbage collection rare, and leave what there is by now out of it: it lives as long as the worker."""
    gc.collect()
    gc.freeze()
    spare_collector()
    try:
        yield
    finally:
        # Frozen objects are never freed, and libraries made with nanobind report them as leaks at the exit.
        gc.unfreeze()


def fail(error: BaseException) -> None:
    """End the process at once: nothing unacknowledged is lost, it is read again."""
    # An error that a person can put right needs no traceback.
    log.critical(
        "cannot go on: %s", describe(error), exc_info=None if isinstance(error, USER_ERRORS) else error
    )
    logging.shutdown()
    sys.stderr.flush()
    os._exit(FAILED)  # not sys.exit: other threads may hang, and nothing may be acknowledged any more


def exit_after(seconds: float) -> None:
    """End the process at once if it still runs after so many seconds."""

    def leave() -> None:
        log.error("shutdown took longer than %g s: leaving at once; it waits here:\n%s", seconds, stacks())
        logging.shutdown()
        os._exit(TOO_SLOW)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def stacks() -> str:
    """Tracebacks of all threads and of the tasks of all event loops, to see why the process hangs."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = [
        f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    ]
    # Not `asyncio.all_tasks`, which wants the loop: Faust's consumer has one of its own.
    # By type, for objects may do anything when they are asked for their class.
    tasks = [one for one in gc.get_objects() if issubclass(type(one), asyncio.Task) and not one.done()]
    return "\n".join([*threads, *(f"{task.get_name()}:\n{_awaited(task)}" for task in tasks)])


def _awaited(task: asyncio.Task[Any]) -> str:
    """The task's coroutine, what it awaits, and so on, which a task's own stack does not show."""
    frames: list[str] = []
    at: Any = task.get_coro()
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None)
        if frame is None:
            frames.append(f"  {at!r}\n")
            break
        frames += traceback.format_stack(frame, limit=1)
        at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None)
    return "".join(frames)
