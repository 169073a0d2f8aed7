"""`interestflow audit`: the books of a deployment, and what events wait for."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.commands.common import Config, Servers, load_settings, or_exit


def show_audit(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="List instead the ids that events wait for.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, help="With --waiting: ids to list at most.")] = 20,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Read the topics and print the books: does every event have exactly one outcome?

    Exit status 1 where they do not balance. Example: interestflow audit --json
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.history.audit import audit as read_books
    from streams.history.audit import show
    from streams.history.books import waiting as waits

    def run() -> None:
        if waiting:
            typer.echo(waits.show(waits.waiting_for(settings, most), as_json))
            return
        books = read_books(settings)
        typer.echo(show(books, as_json))
        if not books.balanced:
            raise typer.Exit(1)

    or_exit(run)
