"""`interestflow ranker`: what a ranker has learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.common import Config, Servers, fail, load_settings, or_exit, show_whole

if TYPE_CHECKING:
    from streams.recommend.learned.parameters import Stored

ranker_cli = typer.Typer(help="What a ranker has learned.", no_args_is_help=True)
File = Annotated[Path | None, typer.Argument(help="What the `save` of the recommender `hybrid` gave.")]
Topic = Annotated[
    bool, typer.Option("--topic", help="What the workers have learned together, from its topic.")
]


@ranker_cli.callback()
def ranker() -> None:
    """What a ranker has learned."""


@ranker_cli.command("show")
def show_ranker(
    file: File = None, topic: Topic = False, config: Config = None, bootstrap_servers: Servers = None
) -> None:
    """Print the weight of each column, for all requests and by segment: time since the last event, number of events.

    Example: interestflow ranker show --topic
    """

    def run() -> None:
        from rich.console import Console

        from streams.recommend.learned.parameters import Stored

        kept = Stored.from_bytes(_in_topic(config, bootstrap_servers) if topic else _in_file(file))
        console, table = Console(soft_wrap=True), _table(kept)
        console.print(f"{kept.kind} ranker, version {kept.version}, {len(kept.columns)} columns")
        show_whole(console, table)

    or_exit(run)


def _in_file(file: Path | None) -> bytes:
    if file is None:
        fail("name a file, or ask for --topic", 2)
    if not file.is_file():
        fail(f"there is no file {file}", 1)
    return file.read_bytes()


def _in_topic(config: Path | None, bootstrap_servers: str | None) -> bytes:
    """The newest in the topic of what was learned."""
    from streams.catalog.learned import RANKER_KEY, read_ranker
    from streams.kafka.clients import client_config
    from streams.kafka.reading import read_all

    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    name, found = settings.topics.learned, []
    for messages in read_all(client_config(settings), name):
        found += [read_ranker(one.value()) for one in messages if one.key() == RANKER_KEY]
    if not found:
        fail(
            f"{name} holds no ranker: workers write it with INTERESTFLOW_RECOMMENDER=hybrid and "
            f"INTERESTFLOW_LEARN_ITEMS=true, once users have used what was recommended",
            1,
        )
    return max(reversed(found), key=lambda one: one[0])[1]


def _table(kept: Stored) -> Any:
    """One row per column of the ranker: its weights in every segment, or what stands in their place."""
    from rich.table import Column, Table

    table = Table(Column("column", no_wrap=True))
    weights = _weights(kept)
    for name in weights:
        table.add_column(name, justify="right")
    for place, column in enumerate(kept.columns):
        table.add_row(column, *(f"{each[place]:+.3f}" for each in weights.values()))
    return table


def _weights(kept: Stored) -> dict[str, Any]:
    """By heading, (K,) numbers."""
    import numpy as np

    from streams.recommend.learned import linear, mlp
    from streams.recommend.learned.segments import NAMES

    values = kept.values
    if kept.kind == mlp.MlpRanker.kind:
        # How much of a column reaches the units, by their weight in the logit.
        reach = np.abs(values[mlp.OUT]) @ np.abs(values[mlp.HIDDEN])
        return {"direct": values[mlp.DIRECT], "through the units": reach}
    everywhere = values[linear.ALL]
    return {"all": everywhere} | {
        name: everywhere + own for name, own in zip(NAMES, values[linear.SEGMENTS], strict=True)
    }
