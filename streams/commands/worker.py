"""`interestflow worker`: one worker, or several as processes of one command, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.common import Config, Servers, fail, load_settings, or_exit

if TYPE_CHECKING:
    from streams.settings.settings import Settings
    from streams.worker.worker import Worker


def run_worker(
    config: Config = None,
    bootstrap_servers: Servers = None,
    processes: Annotated[
        str | None, typer.Option(help="Workers side by side in processes of their own: a number, or auto.")
    ] = None,
    exit_when_idle: Annotated[
        float | None, typer.Option(help="Stop after so many seconds without work; default: never.")
    ] = None,
    parent: Annotated[
        int | None, typer.Option(hidden=True, help="Descriptor of the line to the command that started this.")
    ] = None,
    shared: Annotated[
        str | None,
        typer.Option(hidden=True, help="Descriptors of the memory of all processes of the command."),
    ] = None,
) -> None:
    """Run one worker, or several: topics in, interest vectors and recommendations out.

    Example: INTERESTFLOW_PROJECTION=projection.safetensors interestflow worker --processes auto --exit-when-idle 5
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers, processes=processes)
    from streams.ops.log_lines import set_up_logging

    set_up_logging(settings.observation.log_level)
    from streams.processes import group

    count = 1 if parent is not None else group.size(settings)
    if count == 1:
        _run_one(settings, exit_when_idle, parent, shared)
    else:
        or_exit(lambda: _run_all(settings, count, exit_when_idle))


def _run_one(
    settings: Settings, exit_when_idle: float | None, parent: int | None, shared: str | None
) -> None:
    """A worker in this process."""
    # Imported late: Faust and torch take seconds, which --help should not. And before `or_exit`: a KeyboardInterrupt
    # within an import may end Python by the signal, whoever catches it.
    import asyncio

    from streams.ops import heap

    heap.limit()  # before any thread
    from streams.wiring.worker import build_worker

    async def run() -> None:
        worker = build_worker(settings, tuple(map(int, shared.split(","))) if shared else ())
        stop = _show(settings, worker, parent)
        try:
            await worker.run(exit_when_idle)
        finally:
            stop()

    or_exit(lambda: asyncio.run(run()))


def _show(settings: Settings, worker: Worker, parent: int | None) -> Callable[[], None]:
    """Show metrics and health, to the parent where there is one; returns what ends it."""
    import logging

    from streams.ops.endpoints import serve
    from streams.processes.line import Answers

    if parent is not None:
        return Answers(parent, worker.metrics, worker.health).close
    shown = settings.observation
    stop, port = serve(worker.metrics, worker.health, shown.metrics_host, shown.metrics_port)
    logging.getLogger("streams").info("metrics on http://%s:%d/metrics", shown.metrics_host, port)
    return stop


def _run_all(settings: Settings, count: int, exit_when_idle: float | None) -> None:
    """Workers in processes of their own."""
    from streams.processes import group

    ended = group.run(settings, count, exit_when_idle)
    if ended.status and ended.said:
        fail(ended.said, ended.status)
    raise typer.Exit(ended.status)
