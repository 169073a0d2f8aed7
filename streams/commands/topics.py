"""`interestflow topics`: make the topics of a deployment, and check those that are there."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.commands.common import Config, Servers, load_settings, or_exit

topics_cli = typer.Typer(help="The topics of a deployment.", no_args_is_help=True)
Partitions = Annotated[int | None, typer.Option("--partitions", help="Partitions of each new topic.")]
Copies = Annotated[int | None, typer.Option("--replication-factor", help="Copies of each topic.")]


@topics_cli.command("create")
def create_topics(
    config: Config = None,
    bootstrap_servers: Servers = None,
    partitions: Partitions = None,
    replication_factor: Copies = None,
) -> None:
    """Make the topics that are missing; those that exist are left as they are.

    Example: interestflow topics create --partitions 8
    """
    settings = load_settings(
        config,
        kafka_bootstrap_servers=bootstrap_servers,
        partitions=partitions,
        replication_factor=replication_factor,
    )

    def run() -> None:
        from streams.kafka.topics.specifications import create

        created = create(settings)
        typer.echo("\n".join(f"created {name}" for name in created) or "all topics are there")

    or_exit(run)


@topics_cli.command("check")
def check_topics(
    config: Config = None, bootstrap_servers: Servers = None, replication_factor: Copies = None
) -> None:
    """Name the topics that are missing or wrong, the rights that are missing, and what to do; then exit status 1.

    Example: interestflow topics check --bootstrap-servers 127.0.0.1:9092
    """
    settings = load_settings(
        config, kafka_bootstrap_servers=bootstrap_servers, replication_factor=replication_factor
    )

    def run() -> None:
        from streams.kafka.topics.specifications import check

        if problems := check(settings):
            typer.echo("\n".join(problems), err=True)
            raise typer.Exit(1)
        typer.echo("all topics are there and right")

    or_exit(run)
