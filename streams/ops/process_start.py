"""What a process of ours does before anything else; imports nearly nothing."""

from __future__ import annotations

import gc
import os
from typing import Any

# The exit code that a shell reports after SIGINT.
STATUS = 130
# New objects until Python collects the youngest. Its default of 700 is reached hundreds of times while modules are
# imported, and many times in each batch of a worker.
YOUNG_OBJECTS = 50_000


def leave_at_once(_number: int, _frame: Any) -> None:
    """Signal handler for the time in which there is nothing to clean up: a KeyboardInterrupt prints a traceback."""
    os._exit(STATUS)


def spare_collector() -> None:
    """Make garbage collection rare: modules live as long as the process, and batches make no cycles."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
