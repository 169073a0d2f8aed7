"""Shows a benchmark run: the machine, the command, progress, the table; and writes the rows to a file."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

WIDTH = 160
Say = Callable[[str], None]


class Result(Protocol):
    """What was measured."""

    def rows(self) -> Sequence[Any]:
        """Dataclasses, whose fields are those of the file."""
        ...

    def table(self) -> Table:
        """The rows for a person."""
        ...


def show(measure: Callable[[Say], Result], json_file: Path | None, machine: str = "") -> None:
    """Measure, with progress on standard error; then the table, and the rows as JSON where a file is given.

    machine: what it ran on, where that matters.
    """
    # A file or a pipe gets the whole width that the table needs.
    log, out = Console(stderr=True), Console(width=None if sys.stdout.isatty() else WIDTH)
    for line in (machine, shlex.join(["interestflow", *sys.argv[1:]])):
        if line:
            out.print(line, soft_wrap=True, highlight=False)
    result = measure(lambda line: log.print(line, soft_wrap=True, highlight=False))
    out.print(result.table())
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps([asdict(row) for row in result.rows()], indent=1) + "\n")
