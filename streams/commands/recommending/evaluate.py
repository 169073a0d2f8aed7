"""`interestflow evaluate`: how well recommenders foretell what users do next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from streams.commands.common import Config, load_settings, or_exit

Frozen = Literal["hour", "day"]


def evaluate_recommenders(
    data: Annotated[Path, typer.Argument(help="The data set's file or folder, as `load` takes it.")],
    dataset: Annotated[str, typer.Option(help="online-retail, movielens, lastfm or files (your own).")],
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    recommender: Annotated[
        list[str], typer.Option(help="Of a worker, or a method to compare with; again for several.")
    ],
    task: Annotated[
        Literal["all", "novel"], typer.Option(help="Foretell all uses, or those of items new to the user.")
    ] = "novel",
    reference: Annotated[
        str | None, typer.Option(help="Compare with this recommender; default: the first.")
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
    config: Config = None,
) -> None:
    """Rank, score, then learn, visit by visit through a data set; no Kafka. The second half counts.

    Example: interestflow evaluate ml-latest-small --dataset movielens --recommender content --recommender popularity
    --out report
    """
    settings = load_settings(config)
    from streams.history.evaluate.evaluate import PAGE, Plan, evaluate

    def run() -> None:
        options = k, seed, limit, delay, frozen, reference, tune, method, tuple(vary or ())
        plan = Plan(dataset, data, task, recommender, out, *options)
        findings = evaluate(settings, plan)
        for name in findings.names():
            typer.echo(
                f"{name}: NDCG@10 {findings.ndcg[name]}, times {findings.reference} {findings.ratio[name]}"
            )
        typer.echo(f"{out / PAGE}")

    or_exit(run)
