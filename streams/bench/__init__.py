"""`interestflow bench`: what the product costs and how it compares, measured on a local Apache Kafka."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from streams.bench.errors import BenchError

bench_cli = typer.Typer(
    help="Measure speed, latency and memory on a local Apache Kafka.", no_args_is_help=True
)


@bench_cli.callback()
def _verbs() -> None:
    """A verb stays a verb even while there is only one."""


@bench_cli.command("stream")
def stream(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the rows here too, as a JSON list.", dir_okay=False)
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Rounds; all engines take turns within each.")] = 5,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="Only this engine; may be repeated.")] = None,
    events: Annotated[int, typer.Option(min=1000, help="Events of a throughput run.")] = 400_000,
) -> None:
    """Throughput beside other engines, latency, recommendations, recovery and memory.

    Progress goes to standard error. Example: interestflow bench stream --case throughput --json bench.json
    """
    from streams.cli import or_exit

    def measure() -> None:
        try:
            from streams.bench.run import Plan, run
        except ModuleNotFoundError as error:
            if error.name != "psutil":
                raise
            advice = "the benchmark needs psutil: run `pip install 'interestflow[bench,local]'`"
            raise BenchError(advice) from error
        run(Plan(runs, events, tuple(case or ()), tuple(engine or ())), json_file)

    # So that an engine and the broker are ended in order when we are told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    or_exit(measure)
