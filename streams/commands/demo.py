"""`interestflow demo`: a local Kafka, a worker and simulated users, from start to verdict."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.commands.common import or_exit


def run_demo(
    seconds: Annotated[int, typer.Option(min=1, help="Length of the simulation.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated world.")] = 0,
    users: Annotated[int, typer.Option(min=1, help="Simulated users.")] = 300,
) -> None:
    """Start a local Kafka and a worker, simulate users, and say how well their vectors followed them.

    Stops by itself and leaves nothing running. Example: interestflow demo --seconds 60
    """
    from streams.demo.children import interruptible

    def run() -> None:
        from streams.demo.demo import perform

        typer.echo(perform(seconds, seed, users))

    with interruptible():
        or_exit(run)
