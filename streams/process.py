"""The worker's process: its garbage collector, and the hard ways out."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streams.backoff import GaveUpError

log = logging.getLogger(__name__)

# New objects until Python looks for cycles among them; its default of 700 is reached many times in each batch.
YOUNG_OBJECTS = 50_000
FAILED, TOO_SLOW = 70, 75


@contextmanager
def spared_collector() -> Iterator[None]:
    """Modules and models live as long as the worker, and a batch's thousands of objects hold no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    try:
        yield
    finally:
        # What stays frozen is never taken apart, and libraries of nanobind list all that as leaked at the exit.
        gc.unfreeze()


def fail(error: BaseException) -> None:
    """End the process at once: nothing unacknowledged is lost, it is read again."""
    # Of what was waited for in vain the sentence says all.
    log.critical("cannot go on: %s", error, exc_info=None if isinstance(error, GaveUpError) else error)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(FAILED)  # not sys.exit: other threads may hang, and nothing may be acknowledged any more


def exit_after(seconds: float) -> None:
    """End the process at once where it still runs then."""

    def leave() -> None:
        log.error("shutdown took longer than %g s: leaving at once", seconds)
        logging.shutdown()
        os._exit(TOO_SLOW)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
