"""`interestflow fit`: what the stream needs, fitted from data that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import Config, Servers, load_settings, or_exit

fit_cli = typer.Typer(help="Fit what the stream needs from data that is there.", no_args_is_help=True)


@fit_cli.command("projection")
def fit_projection_command(
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("projection.safetensors"),
    method: Annotated[
        str, typer.Option(help="pca, svd, random or truncate; docs/encoders.md says how to choose.")
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
    """Fit the projection to INTERESTFLOW_DIMENSIONS from the texts in the catalog topic.

    Example: interestflow fit projection --output projection.safetensors
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.learn.fit import Fit, fit_projection

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
    """Fit INTERESTFLOW_DIMENSIONS topics to the texts in the catalog topic, for the encoder `topics`.

    Example: interestflow fit topics --output topics.safetensors
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from streams.learn.fit import fit_topics

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
        bool, typer.Option(help="Learn from what users consume in a row; else from the catalog alone.")
    ] = True,
    window_hours: Annotated[float, typer.Option(min=0.01, help="Longest time between two in a row.")] = 6.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Fit the fusion of texts, pictures and recordings to INTERESTFLOW_DIMENSIONS from catalog and events.

    Example: interestflow fit fusion --output fusion.safetensors
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)
    from encoders.training.fusion_training import Recipe
    from streams.learn.fit_fusion import Choice, fit_fusion

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
