"""`interestflow bench`: what the product costs and how it compares, measured on a local Apache Kafka."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import load_settings, or_exit

JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the rows here too, as a JSON list.", dir_okay=False)
]
SCALED = (
    "For the case scale: measure this many; may be repeated. Default: a row of values for each of the four."
)

bench_cli = typer.Typer(
    help="Measure speed, latency and memory on a local Apache Kafka.", no_args_is_help=True
)


@bench_cli.command("stream")
def stream(
    json_file: JsonFile = None,
    runs: Annotated[int, typer.Option(min=1, help="Rounds; all engines take turns within each.")] = 5,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this engine; may be repeated. pathway, flink, flink-rocksdb, kafka-streams run only where named."
        ),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            help="`touched`: one vector per user and interval; `event`: one per event. Default: both."
        ),
    ] = None,
    events: Annotated[int, typer.Option(min=1000, help="Events of a throughput run.")] = 400_000,
    rate: Annotated[int, typer.Option(min=100, help="Events per second of a latency run.")] = 5000,
    workers: Annotated[list[int] | None, typer.Option(min=1, help=SCALED)] = None,
    partitions: Annotated[list[int] | None, typer.Option(min=1, help=SCALED)] = None,
    users: Annotated[list[int] | None, typer.Option(min=1, help=SCALED)] = None,
    dims: Annotated[list[int] | None, typer.Option(min=2, help=SCALED)] = None,
) -> None:
    """Throughput beside other engines, latency, recommendations, recovery and memory; `scale` where it is named.

    Progress goes to standard error. Example: interestflow bench stream --case throughput --json bench.json
    """

    def measure() -> None:
        from streams.bench.stream.run import Plan, run
        from streams.bench.stream.scale import Axes

        axes = Axes(*(tuple(values or ()) for values in (workers, partitions, users, dims)))
        names = tuple(case or ()), tuple(engine or ()), tuple(form or ())
        run(Plan(runs, events, *names, rate=rate, axes=axes), json_file)

    # So that an engine and the broker are ended in order when we are told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _or_exit(measure)


@bench_cli.command("encoders")
def encoders(
    json_file: JsonFile = None,
    runs: Annotated[int, typer.Option(min=1, help="Rounds; both sides take turns within each.")] = 5,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds uci-online-retail and ml-latest-small.", file_okay=False, exists=True
        ),
    ] = None,
    texts: Annotated[int, typer.Option(min=300, help="Texts of a round.")] = 1000,
) -> None:
    """Texts per CPU second beside sentence-transformers, on catalog texts and on two languages mixed.

    Progress goes to standard error. Example: interestflow bench encoders --case mixed --json bench.json
    """

    def measure() -> None:
        from streams.bench.encoders.run import Plan, run

        run(Plan(runs, texts, data, tuple(case or ())), json_file)

    _or_exit(measure)


@bench_cli.command("requests")
def requests(
    json_file: JsonFile = None,
    items: Annotated[
        list[int] | None, typer.Option(min=500, help="Items of the catalog; may be repeated. Default: 10000.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Rounds.")] = 5,
    case: Annotated[list[str] | None, typer.Option(help="`list` or `nearest`; may be repeated.")] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(help="usearch, faiss or hnswlib beside ours, where installed; may be repeated."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds uci-online-retail and ml-latest-small: vectors of their titles.",
            file_okay=False,
            exists=True,
        ),
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="Folder in which encoded titles are kept.", file_okay=False)
    ] = None,
) -> None:
    """CPU of a recommendation as the catalog grows, and how many of the nearest items the index finds; no Kafka.

    Vectors are made up, or those of titles by the settings' encoder and of copies that are moved a little. A million
    items need 5 GB. Example: interestflow bench requests --items 10000 --items 1000000
    """
    settings = load_settings()

    def measure() -> None:
        from streams.bench.requests.run import Plan, run
        from streams.wiring.encoder import build_raw_encoder

        names = tuple(case or ()), tuple(peer or ())
        plan = Plan(runs, tuple(items or (10_000,)), *names, data=data, kept=vectors)
        run(plan, settings, lambda: build_raw_encoder(settings.encoder), json_file)

    _or_exit(measure)


@bench_cli.command("projections")
def projections(
    data: Annotated[
        Path,
        typer.Option(
            help="Folder that holds uci-online-retail and ml-latest-small.", file_okay=False, exists=True
        ),
    ],
    json_file: JsonFile = None,
    vectors: Annotated[
        Path | None, typer.Option(help="Folder in which encoded catalogs are kept.", file_okay=False)
    ] = None,
    dimensions: Annotated[int, typer.Option(min=2, help="What the vectors are reduced to.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Of random projection, training, resamples and ties.")] = 0,
    space: Annotated[list[str] | None, typer.Option(help="Only this space; may be repeated.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this data set; may be repeated.")] = None,
    users: Annotated[
        int | None, typer.Option(min=1, help="Users at most, drawn by the seed; default: all.")
    ] = None,
) -> None:
    """Which space of item vectors best foretells what users do next, on real histories; needs no Kafka.

    The encoder is that of the settings. Example: interestflow bench projections --data DIR
    """
    settings = load_settings()

    def measure() -> None:
        from streams.bench.projections.run import Plan, run
        from streams.wiring.encoder import build_raw_encoder

        plan = Plan(data, vectors, dimensions, seed, tuple(space or ()), tuple(source or ()), users)
        run(plan, build_raw_encoder(settings.encoder), json_file)

    _or_exit(measure)


def _or_exit(measure: Callable[[], None]) -> None:
    def attempt() -> None:
        try:
            measure()
        except ModuleNotFoundError as error:
            if error.name != "psutil":
                raise
            from streams.bench.errors import BenchError

            advice = "the benchmark needs psutil: run `pip install 'interestflow[bench,local]'`"
            raise BenchError(advice) from error

    or_exit(attempt)
