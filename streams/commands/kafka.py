"""`interestflow kafka`: a local Apache Kafka for trying things out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import fail

NOT_RUNNING = 3

kafka_cli = typer.Typer(
    help="A local Apache Kafka for trying things out; it needs no Java.", no_args_is_help=True
)
Home = Annotated[
    Path | None,
    typer.Option("--home", help="The broker's folder; default: .interestflow/kafka.", show_default=False),
]


@kafka_cli.command("start")
def start_broker(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 for a free one.")] = 9092,
    home: Home = None,
) -> None:
    """Start the local broker, or show it if it runs already.

    Example: interestflow kafka start --port 9092
    """
    from streams.local_kafka import local_kafka

    # The first start fetches jars and makes a cache: half a minute that wants an explanation.
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        broker = local_kafka.start(home or local_kafka.default_home(), port=port)
    except local_kafka.LocalKafkaError as error:
        fail(str(error), 1)
    typer.echo(f"running: bootstrap servers {broker.bootstrap_servers}, pid {broker.pid}, home {broker.home}")


@kafka_cli.command("stop")
def stop_broker(home: Home = None) -> None:
    """Stop the local broker; its topics stay for the next start.

    Example: interestflow kafka stop
    """
    from streams.local_kafka import local_kafka

    try:
        stopped = local_kafka.stop(home or local_kafka.default_home())
    except local_kafka.LocalKafkaError as error:
        fail(str(error), 1)
    typer.echo("stopped" if stopped else "was not running")


@kafka_cli.command("status")
def show_status(home: Home = None) -> None:
    """Show whether the local broker runs: exit status 0 if so, 3 if not.

    Example: interestflow kafka status --home .interestflow/kafka
    """
    from streams.local_kafka import local_kafka

    broker = local_kafka.status(home or local_kafka.default_home())
    if broker is None:
        typer.echo("not running")
        raise typer.Exit(NOT_RUNNING)
    typer.echo(f"running: bootstrap servers {broker.bootstrap_servers}, pid {broker.pid}, home {broker.home}")
