"""How far something is that takes a while, and its figures now: a bar on a terminal, else a line now and then."""

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
    """show(share that is done, look) on standard error: a bar on a terminal, else a line now and then.

    clock: monotonic seconds. look: asked only where it is time for another, which the end (1.0) always is.
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
