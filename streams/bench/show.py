"""What a person sees of a benchmark run: the machine, the command, progress, the table; and the rows as a file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from streams.bench import harness
from streams.bench.harness import Samples

WIDTH = 120
Say = Callable[[str], None]


def show(measure: Callable[[Say], Samples], json_file: Path | None) -> None:
    """Measure, telling progress on standard error; then the table, and the rows as JSON where a file is given."""
    # A file or a pipe gets the whole width that the table needs.
    log, out = Console(stderr=True), Console(width=None if sys.stdout.isatty() else WIDTH)
    out.print(
        f"{harness.machine()}\n{shlex.join(['interestflow', *sys.argv[1:]])}", soft_wrap=True, highlight=False
    )
    samples = measure(lambda line: log.print(line, soft_wrap=True, highlight=False))
    rows = samples.rows()
    out.print(harness.table(rows, samples.notes))
    if json_file is not None:
        harness.write_json(json_file, rows)
