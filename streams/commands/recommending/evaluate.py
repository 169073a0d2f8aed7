"""`interestflow evaluate`: how well recommenders foretell what users do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.commands.common import Config, Servers, fail, load_settings, or_exit, show_whole

if TYPE_CHECKING:
    from streams.history.evaluate.run import Plan
    from streams.history.evaluate.sources.files import Source
    from streams.settings.settings import Settings

Frozen = Literal["hour", "day"]


def evaluate_recommenders(
    out: Annotated[Path, typer.Option(help="Folder of the report, and of results that are kept.")],
    data: Annotated[
        Path | None, typer.Argument(help="The data set's file or folder, as `load` takes it.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="online-retail, movielens, lastfm or files (your own).")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="TOML file of several data sets and tasks.")] = None,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Judge on the history that a worker of these settings wrote.")
    ] = False,
    recommender: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a worker, or a method to compare with; again for several; of a table, all by default."
        ),
    ] = None,
    task: Annotated[
        Literal["all", "novel"], typer.Option(help="Foretell all uses, or those of items new to the user.")
    ] = "novel",
    reference: Annotated[
        str | None,
        typer.Option(
            help="Compare with this recommender, or `best` of the methods; default: the first, of a table best."
        ),
    ] = None,
    k: Annotated[int, typer.Option(min=20, max=1000, help="Items asked for; 20 are looked at.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Events at most.")] = None,
    tune: Annotated[
        int,
        typer.Option(min=0, help="Trials by which the methods to compare with are tuned, on the first half."),
    ] = 0,
    method: Annotated[
        Literal["random", "grid", "bayesian"], typer.Option(help="Of tuning; bayesian needs Optuna.")
    ] = "random",
    delay: Annotated[
        int, typer.Option(min=0, help="Events by which what is learned of items comes late.")
    ] = 0,
    frozen: Annotated[
        Frozen | None, typer.Option(help="Refresh users and items only when an hour or a day begins.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE,VALUE: judge a worker's recommender with each; again for several."),
    ] = None,
    after_visit: Annotated[
        bool,
        typer.Option("--after-visit", help="Ask right behind a user's last visit, as a worker answers."),
    ] = False,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Rank, score, then learn, visit by visit through a data set or the history on Kafka. The second half counts.

    Example: interestflow evaluate ml-latest-small --dataset movielens --recommender content --recommender popularity
    --out report
    """
    source = _source(data, dataset, table, kafka)
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.history.evaluate.contenders import known_names
    from streams.history.evaluate.run import Plan

    if not (names := recommender or (known_names() if table else [])):
        fail("name what to judge with --recommender", 2)
    rest = k, seed, limit, delay, frozen, reference, tune, method, after_visit, tuple(vary or ())
    plan = Plan(source, task, names, out, *rest)
    or_exit(lambda: _judge_table(settings, plan, table) if table else _judge(settings, plan))


def _source(data: Path | None, dataset: str | None, table: Path | None, kafka: bool) -> Source:
    """What to read; of a table, whose columns say it, none."""
    from streams.history.evaluate.sources.files import DataFiles
    from streams.history.evaluate.sources.kafka import KafkaHistory

    named = data is not None or dataset is not None
    if named + kafka + (table is not None) != 1 or (named and (data is None or dataset is None)):
        fail("give DATA with --dataset, or --kafka, or --table", 2)
    return KafkaHistory() if kafka else DataFiles(dataset or "", data or Path())


def _judge(settings: Settings, plan: Plan) -> None:
    from streams.history.evaluate.evaluate import PAGE, evaluate

    findings = evaluate(settings, plan)
    for name in findings.names():
        ratio = f"times {findings.reference} {findings.ratio[name]}"
        typer.echo(f"{name}: NDCG@10 {findings.ndcg[name]}, {ratio}")
    typer.echo(f"{plan.out / PAGE}")


def _judge_table(settings: Settings, plan: Plan, file: Path) -> None:
    from rich.console import Console
    from rich.table import Table as Shown

    from streams.history.evaluate.evaluate import PAGE
    from streams.history.evaluate.table.columns import read_columns
    from streams.history.evaluate.table.table import evaluate_table

    made = evaluate_table(settings, plan, read_columns(file))
    console = Console(soft_wrap=True)
    for head, *lines in (made.ratios(), made.ndcg()):
        shown = Shown(*head)
        for line in lines:
            shown.add_row(*line)
        show_whole(console, shown)
    console.print(str(plan.out / PAGE))
