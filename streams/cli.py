"""The command line: one function per verb."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from streams import configuration
from streams.bench import bench_cli
from streams.encoder_cli import export_cli, train_cli
from streams.interrupt import STATUS, leave_at_once
from streams.load import load_cli
from streams.local_kafka import kafka_cli
from streams.log_lines import set_up_logging
from streams.settings import ENV_PREFIX, Settings, SettingsError
from streams.topics import topics_cli

app = typer.Typer(
    name="interestflow",
    help="Living user-interest vectors and recommendations from Kafka behaviour topics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
fit_cli = typer.Typer(help="Fit what the stream needs from data that is there.", no_args_is_help=True)
app.add_typer(kafka_cli, name="kafka")
app.add_typer(topics_cli, name="topics")
app.add_typer(load_cli, name="load")
app.add_typer(fit_cli, name="fit")
app.add_typer(train_cli, name="train")
app.add_typer(export_cli, name="export")
app.add_typer(bench_cli, name="bench")

Config = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
Servers = Annotated[str | None, typer.Option("--bootstrap-servers", help="host:port of the brokers.")]


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
    from streams.app import build_worker
    from streams.metrics import serve

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


@fit_cli.command("projection")
def fit_projection_command(
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("projection.safetensors"),
    method: Annotated[
        str, typer.Option(help="pca, svd, random or truncate; encoders/README.md says how to choose.")
    ] = "pca",
    whiten: Annotated[
        float | None, typer.Option(help="Whitening exponent, 0 to 1, of pca and svd; half by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random.")] = 0,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Fit from so many items at most, evenly chosen; default: all.")
    ] = None,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Fit the projection to INTERESTFLOW_DIMENSIONS from the texts in the catalogue topic.

    Example: interestflow fit projection --output projection.safetensors
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.fit import Fit, fit_projection

    def run() -> None:
        projection = fit_projection(settings, output, Fit(method, whiten, seed, sample))
        typer.echo(f"{output}: version {projection.version}. Set INTERESTFLOW_PROJECTION={output}")

    or_exit(run)


@fit_cli.command("topics")
def fit_topics_command(
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("topics.safetensors"),
    seed: Annotated[int, typer.Option(min=0, help="Of the first guess.")] = 0,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Fit INTERESTFLOW_DIMENSIONS topics to the texts in the catalogue topic, for the encoder `topics`.

    Example: interestflow fit topics --output topics.safetensors
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.fit import fit_topics

    def run() -> None:
        encoder = fit_topics(settings, output, seed)
        typer.echo(
            f"{output}: revision {encoder.revision}. Set INTERESTFLOW_ENCODER=topics INTERESTFLOW_TOPICS={output}"
        )

    or_exit(run)


@fit_cli.command("fusion")
def fit_fusion_command(
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("fusion.safetensors"),
    gate: Annotated[
        bool, typer.Option(help="Learn from what users consume in a row; else from the catalogue alone.")
    ] = True,
    window_hours: Annotated[float, typer.Option(min=0.01, help="Longest time between two in a row.")] = 6.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Fit the fusion of texts, pictures and recordings to INTERESTFLOW_DIMENSIONS from catalogue and events.

    Example: interestflow fit fusion --output fusion.safetensors
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from encoders.fusion_training import Recipe
    from streams.fit_fusion import Choice, fit_fusion

    def run() -> None:
        choice = Choice(gate=gate, window_s=window_hours * 3600)
        fitted = fit_fusion(settings, output, choice, Recipe(seed=seed))
        typer.echo(f"fusion: items={fitted.items} unreadable={fitted.left_out} pairs={fitted.pairs}")
        for name, found in fitted.qualities.items():
            typer.echo(
                f"{name}: loss={found.loss:.4f} recall@10={found.recall:.4f} held_out={fitted.held_out}"
            )
        typer.echo(f"{output}: version {fitted.fusion.version}. Set INTERESTFLOW_FUSION={output}")

    or_exit(run)


@app.command()
def audit(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Read the topics and print the books: does every event have exactly one outcome?

    Exit status 1 where they do not balance. Example: interestflow audit --json
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.audit import audit as read_books
    from streams.audit import show

    def run() -> None:
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
    from streams.replay import verify

    def run() -> None:
        verdict = verify(settings)
        typer.echo(
            f"replay: events={verdict.events} users={verdict.users} differing={len(verdict.differing)} "
            f"missing={len(verdict.missing)}"
        )
        if not verdict.equal:
            examples = ", ".join([*verdict.differing, *verdict.missing][:5])
            _fail(f"the replay differs from what was published, for example for {examples}", 1)

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
    from streams.children import interruptible

    def run() -> None:
        from streams.demo import perform

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
        shown = "***" if value and configuration.is_secret(name) else value
        typer.echo(f"{ENV_PREFIX}{name.upper()}={shown}")


def load_settings(config: Path | None = None, **options: Any) -> Settings:
    """Settings, or a message that names every wrong one, and exit status 2."""
    try:
        return configuration.load(config, **options)
    except SettingsError as error:
        _fail(str(error), 2)


def or_exit(run: Callable[[], None]) -> None:
    """Turn the errors that a person can cause into a sentence and an exit status."""
    from encoders.base import EncoderError
    from streams.errors import USER_ERRORS

    caught: tuple[type[Exception], ...] = (EncoderError, *USER_ERRORS)
    # Until here an interrupt ended the process without a word (see __main__.py); now there may be things to clear up.
    if signal.getsignal(signal.SIGINT) is leave_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except caught as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        raise typer.Exit(STATUS) from None


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"interestflow: {message}", err=True)
    raise typer.Exit(status)
