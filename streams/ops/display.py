"""Progress and figures of a long task on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import rich.console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

log = logging.getLogger(__name__)

# Seconds between two looks at the figures: on a terminal, and where each look is a line.
REFRESH_S, LINE_S = 0.25, 5.0


@contextmanager
def display(clock: Callable[[], float]) -> Iterator[Callable[[float, Callable[[], str]], None]]:
    """Yields show(share done, look), which shows progress on standard error.

    clock: monotonic seconds. look: gives the figures; called only when a new line is due, and always at the end (1.0).
    """
    console = rich.console.Console(stderr=True)
    terminal = console.is_terminal and not console.is_dumb_terminal
    pause = REFRESH_S if terminal else LINE_S
    due = clock() + pause
    with Live(console=console, auto_refresh=False) if terminal else nullcontext() as live:

        def show(share: float, look: Callable[[], str]) -> None:
            nonlocal due
            if clock() < due and share < 1.0:
                return
            due = clock() + pause
            if live is None:
                log.info(look())
            else:
                live.update(rich.console.Group(ProgressBar(1.0, share, width=60), Text(look())), refresh=True)

        yield show
