"""`interestflow simulate`: a generated stream as files, for scenes that no public data set shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from streams.commands.common import fail


def simulate_stream(
    kind: Annotated[
        Literal["news", "search"], typer.Argument(help="Stories of a day, or a shop's searches.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where items.jsonl and events.jsonl go.")],
    users: Annotated[int, typer.Option(min=1, help="Simulated users.")] = 300,
    events: Annotated[int, typer.Option(min=1, help="Their events; of searches, some less.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 0,
) -> None:
    """Write a generated stream into a folder, for `evaluate --dataset files` and `load files`.

    Example: interestflow simulate news generated
    """
    import orjson

    from streams.demo.streams import STREAMS

    paths = [folder / f"{name}.jsonl" for name in ("items", "events")]
    try:
        # Asked first: to generate takes minutes.
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            path.open("ab").close()
        made = STREAMS[kind](seed, users, events)
        for path, records in zip(paths, made, strict=True):
            path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in records))
    except OSError as error:
        fail(f"{folder} cannot be written ({error}): give another folder", 1)
    typer.echo(f"{folder}: {len(made.items)} items, {len(made.events)} events")
