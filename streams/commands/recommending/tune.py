"""`interestflow tune`: good settings for a stream, found on its first half."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from streams.commands.common import Config, load_settings, or_exit


def tune_settings(
    data: Annotated[Path, typer.Argument(help="The data set's file or folder, as `load` takes it.")],
    dataset: Annotated[str, typer.Option(help="online-retail, movielens, lastfm or files (your own).")],
    out: Annotated[Path, typer.Option(help="TOML file to write.")] = Path("tuned.toml"),
    recommender: Annotated[
        str | None, typer.Option(help="A worker's; default: that of the settings.")
    ] = None,
    task: Annotated[
        Literal["all", "novel"], typer.Option(help="Foretell all uses, or those of items new to the user.")
    ] = "novel",
    method: Annotated[
        Literal["random", "grid", "bayesian"], typer.Option(help="Of the search; bayesian needs Optuna.")
    ] = "random",
    trials: Annotated[int, typer.Option(min=1, help="Settings to try; the first are the given ones.")] = 8,
    search: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=VALUE,VALUE; again for several."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Events at most.")] = None,
    check: Annotated[bool, typer.Option(help="Judge defaults and best on the second half, too.")] = True,
    config: Config = None,
) -> None:
    """Search a worker's settings (half-lives, rates, length of history) on the first half of a data set; no Kafka.

    Example: interestflow tune ml-latest-small --dataset movielens --recommender hybrid --out tuned.toml
    """
    settings = load_settings(config)
    from streams.history.evaluate.live_tuning import DEFAULTS, TUNED, Plan, tune_live
    from streams.history.evaluate.tuning import Search

    def run() -> None:
        name = recommender or settings.recommendations.recommender
        how = Search(method, trials, seed)
        plan = Plan(dataset, data, task, name, out, how, tuple(search or ()), limit, check)
        outcome = tune_live(settings, plan)
        best, first = outcome.found.best, outcome.found.trials[0]
        typer.echo(f"first half: NDCG@10 {best.score:.5f}, given settings {first.score:.5f}")
        if outcome.ndcg:
            told = f"NDCG@10 {outcome.ndcg[TUNED]}, given settings {outcome.ndcg[DEFAULTS]}"
            typer.echo(f"second half: {told}, ratio {outcome.ratio[TUNED]}")
        typer.echo(f"{out}: {best.values or 'the given settings are best'}")

    or_exit(run)
