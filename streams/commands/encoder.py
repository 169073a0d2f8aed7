"""`interestflow train` and `interestflow export`: another text encoder from the one that there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import Config, Servers, load_settings, or_exit

train_cli = typer.Typer(help="Train on what the users did.", no_args_is_help=True)
export_cli = typer.Typer(help="The encoder in another form.", no_args_is_help=True)


@train_cli.command("encoder")
def train_encoder_command(
    output: Annotated[Path, typer.Option(help="Folder to make, for INTERESTFLOW_ENCODER.")] = Path("encoder"),
    dataset: Annotated[
        tuple[str, Path] | None,
        typer.Option(help="NAME PATH of a data set that `load` knows, instead of the topics."),
    ] = None,
    window_hours: Annotated[float, typer.Option(min=0.0, help="Between two items of one visit.")] = 6.0,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs at most, spread over time.")] = 20_000,
    pairs_per_user: Annotated[int, typer.Option(min=1, help="Pairs of one user at most.")] = 50,
    held_out: Annotated[float, typer.Option(min=0.01, max=0.5, help="Share of pairs, the latest.")] = 0.1,
    epochs: Annotated[int, typer.Option(min=1, help="At most; it stops where nothing is gained.")] = 5,
    batch: Annotated[int, typer.Option(min=2, help="Pairs per step.")] = 64,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapters.")] = 16,
    learning_rate: Annotated[float, typer.Option(min=1e-7, max=1.0)] = 2e-4,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Fine-tune the text encoder on items that the same users took to one after the other.

    Example: interestflow train encoder --output shop-encoder
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)

    def run() -> None:
        from encoders.training.lora import Options
        from streams.learn.train import Choice, train_encoder
        from streams.learn.training_data import from_dataset, from_topics

        choice = Choice(window_hours * 3600, pairs_per_user, pairs, held_out)
        options = Options(
            rank=rank,
            alpha=2 * rank,
            learning_rate=learning_rate,
            batch=batch,
            epochs=epochs,
            max_length=settings.encoder.max_tokens,
            seed=seed,
        )
        data = from_dataset(*dataset) if dataset else from_topics(settings)
        done = train_encoder(settings, data, choice, options, output)
        typer.echo(
            f"{output}: {done}. Set INTERESTFLOW_ENCODER={output}, fit the projection again, raise "
            f"INTERESTFLOW_GENERATION and name another INTERESTFLOW_TOPIC_EMBEDDINGS"
        )

    or_exit(run)


@export_cli.command("onnx")
def export_onnx_command(
    output: Annotated[Path, typer.Option(help="Folder to make, for INTERESTFLOW_ENCODER=onnx:FOLDER.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Static int8, calibrated on the catalog: faster, less exact.")
    ] = False,
    dataset: Annotated[
        tuple[str, Path] | None,
        typer.Option(help="NAME PATH of a data set that `load` knows, instead of the catalog topic."),
    ] = None,
    config: Config = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Write the text encoder for ONNX Runtime; with --int8, say how many neighbours keep their place.

    Example: interestflow export onnx --output shop-encoder-int8 --int8
    """
    settings = load_settings(config, kafka_bootstrap_servers=bootstrap_servers)

    def run() -> None:
        from streams.learn.export import export_onnx, item_texts

        exported = export_onnx(settings.encoder, output, item_texts(settings, dataset) if int8 else None)
        typer.echo(
            f"{output}: {exported}. Set INTERESTFLOW_ENCODER=onnx:{output}, fit the projection again, raise "
            f"INTERESTFLOW_GENERATION and name another INTERESTFLOW_TOPIC_EMBEDDINGS"
        )

    or_exit(run)
