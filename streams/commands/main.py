"""The command line: every verb by name. A verb imports what it needs only when it runs, so that help is quick."""

from __future__ import annotations

import typer

from streams.commands.audit import show_audit
from streams.commands.bench import bench_cli
from streams.commands.common import Config, load_settings
from streams.commands.demo import run_demo
from streams.commands.encoder import export_cli, train_cli
from streams.commands.fit import fit_cli
from streams.commands.kafka import kafka_cli
from streams.commands.load import load_cli
from streams.commands.recommending.evaluate import evaluate_recommenders
from streams.commands.recommending.ranker import ranker_cli
from streams.commands.recommending.simulate import simulate_stream
from streams.commands.recommending.tune import tune_settings
from streams.commands.replay import verify_replay
from streams.commands.topics import topics_cli
from streams.commands.worker import run_worker

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
app.add_typer(ranker_cli, name="ranker")
app.add_typer(bench_cli, name="bench")
app.command("worker")(run_worker)
app.command("audit")(show_audit)
app.command("replay")(verify_replay)
app.command("evaluate")(evaluate_recommenders)
app.command("tune")(tune_settings)
app.command("simulate")(simulate_stream)
app.command("demo")(run_demo)


@app.command("settings")
def show_settings(config: Config = None) -> None:
    """Print every setting with its environment variable and its value now.

    Example: interestflow settings
    """
    settings = load_settings(config)
    from streams.settings.configuration import is_secret
    from streams.settings.section import ENV_PREFIX

    for name, value in settings.flat().items():
        shown = "***" if value and is_secret(name) else value
        typer.echo(f"{ENV_PREFIX}{name.upper()}={shown}")
