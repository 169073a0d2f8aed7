"""`interestflow worker`: one worker, until it is told to stop."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.commands.common import Config, Servers, load_settings, or_exit


def run_worker(
    config: Config = None,
    bootstrap_servers: Servers = None,
    exit_when_idle: Annotated[
        float | None, typer.Option(help="Stop after so many seconds without work; default: never.")
    ] = None,
) -> None:
    """Run one worker: topics in, interest vectors and recommendations out.

    Example: INTERESTFLOW_PROJECTION=projection.safetensors interestflow worker --exit-when-idle 5
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.ops.log_lines import set_up_logging

    set_up_logging(settings.observation.log_level)
    # Imported late: Faust and torch take seconds, which --help should not.
    import asyncio
    import logging

    from streams.ops import heap

    heap.limit()  # before any thread
    from streams.ops.endpoints import serve
    from streams.wiring.worker import build_worker

    async def run() -> None:
        worker = build_worker(settings)
        shown = settings.observation
        stop, port = serve(worker.metrics, worker.health, shown.metrics_host, shown.metrics_port)
        logging.getLogger("streams").info("metrics on http://%s:%d/metrics", shown.metrics_host, port)
        try:
            await worker.run(exit_when_idle)
        finally:
            stop()

    or_exit(lambda: asyncio.run(run()))
