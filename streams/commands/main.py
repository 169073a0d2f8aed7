"""The command line: one function per verb."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from streams.bench import bench_cli
from streams.commands.common import Config, Servers, fail, load_settings, or_exit
from streams.commands.encoder import export_cli, train_cli
from streams.commands.fit import fit_cli
from streams.history.load import load_cli
from streams.kafka.topics.specifications import topics_cli
from streams.local_kafka.local_kafka import kafka_cli
from streams.ops.log_lines import set_up_logging
from streams.settings.configuration import is_secret
from streams.settings.settings import ENV_PREFIX, Settings

app = typer.Typer(
    name="interestflow",
    help="Living user-interest vectors and recommendations from Kafka behaviour topics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(kafka_cli, name="kafka")
app.add_typer(topics_cli, name="topics")
app.add_typer(load_cli, name="load")
app.add_typer(fit_cli, name="fit")
app.add_typer(train_cli, name="train")
app.add_typer(export_cli, name="export")
app.add_typer(bench_cli, name="bench")


@app.command()
def worker(
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
    set_up_logging(settings)
    # Imported late: Faust and torch take seconds, which --help should not.
    from streams.ops import heap

    # Before any thread.
    heap.limit()
    from streams.ops.metrics import serve
    from streams.wiring.app import build_worker

    async def run() -> None:
        worker = build_worker(settings)
        stop, port = serve(
            worker.pipeline.metrics, worker.health, settings.metrics_host, settings.metrics_port
        )
        logging.getLogger("streams").info("metrics on http://%s:%d/metrics", settings.metrics_host, port)
        try:
            await worker.run(exit_when_idle)
        finally:
            stop()

    or_exit(lambda: asyncio.run(run()))


@app.command()
def audit(
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


@app.command()
def replay(config: Config = None, bootstrap_servers: Servers = None) -> None:
    """Fold the whole event history again, in this process, and compare with the published vectors.

    Exit status 1 where a vector differs in a single bit. Example: interestflow replay
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.history.replay import verify

    def run() -> None:
        verdict = verify(settings)
        typer.echo(
            f"replay: events={verdict.events} users={verdict.users} differing={len(verdict.differing)} "
            f"missing={len(verdict.missing)}"
        )
        if not verdict.equal:
            examples = ", ".join([*verdict.differing, *verdict.missing][:5])
            fail(f"the replay differs from what was published, for example for {examples}", 1)

    or_exit(run)


@app.command()
def demo(
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


@app.command("settings")
def show_settings(config: Config = None) -> None:
    """Print every setting with its environment variable and its value now.

    Example: interestflow settings
    """
    settings = load_settings(config)
    for name in Settings.model_fields:
        value = getattr(settings, name)
        shown = "***" if value and is_secret(name) else value
        typer.echo(f"{ENV_PREFIX}{name.upper()}={shown}")
