"""`interestflow load`: public data sets into the topics of a deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import Config, Servers, load_settings, or_exit

load_cli = typer.Typer(help="Real data sets into topics, in event-time order.", no_args_is_help=True)
Speed = Annotated[
    str, typer.Option(help="Factor of event time (1 is real time, 3600 an hour a second), or max.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Events at most.")]
# What each data set holds, and an example. The names of streams.datasets, which help need not import.
HELP = {
    "online-retail": (
        "UCI Online Retail: purchases and returns of a gift shop.",
        "interestflow load online-retail online_retail.csv.gz",
    ),
    "movielens": (
        "MovieLens (small): ratings and tags of films.",
        "interestflow load movielens ml-latest-small --speed max",
    ),
    "lastfm": (
        "Last.fm (HetRec 2011): tags that listeners gave to artists.",
        "interestflow load lastfm hetrec2011-lastfm-2k",
    ),
    "files": (
        "Your own files: items.jsonl and events.jsonl, a catalog record or a native event a line.",
        "interestflow load files generated",
    ),
}


def _add_command(name: str) -> None:
    def load_dataset(
        path: Path, speed: Speed = "max", limit: Limit = None, servers: Servers = None, config: Config = None
    ) -> None:
        settings = load_settings(config, kafka_bootstrap_servers=servers)

        def run() -> None:
            from streams.history.load import load

            typer.echo(load(settings, name, path, speed, limit))

        or_exit(run)

    load_cli.command(name, help="{}\n\nExample: {}".format(*HELP[name]))(load_dataset)


for _name in HELP:
    _add_command(_name)
