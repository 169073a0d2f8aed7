"""Handles an interrupt before there is anything to clean up; imports nearly nothing."""

from __future__ import annotations

import os
from typing import Any

# The exit code that a shell reports after SIGINT.
STATUS = 130


def leave_at_once(_number: int, _frame: Any) -> None:
    """Signal handler that exits: a KeyboardInterrupt would print a traceback from within some import."""
    os._exit(STATUS)
