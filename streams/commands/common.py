"""What all commands do alike: they read the settings, and say what a person can put right in a sentence."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from streams.ops.process_start import STATUS, leave_at_once

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    # Settings take most of the time in which `--help` is there.
    from streams.settings.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
NO_LIMIT = 10_000  # characters in a line
Servers = Annotated[str | None, typer.Option("--bootstrap-servers", help="host:port of the brokers.")]


def load_settings(config: Path | None = None, **options: Any) -> Settings:
    """Settings, or a message that names every wrong one, and exit status 2."""
    from streams.settings import configuration
    from streams.settings.settings import SettingsError

    try:
        return configuration.load(config, **options)
    except SettingsError as error:
        fail(str(error), 2)


def or_exit(run: Callable[[], None]) -> None:
    """Turn the errors that a person can cause into a sentence and an exit status."""
    from encoders.core.base import EncoderError
    from streams.ops.kafka_errors import describe
    from streams.ops.user_errors import USER_ERRORS

    caught: tuple[type[Exception], ...] = (EncoderError, *USER_ERRORS)
    # Until here an interrupt ended the process without a word (see __main__.py); now there may be things to clear up.
    if signal.getsignal(signal.SIGINT) is leave_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except caught as error:
        fail(describe(error), 1)
    except KeyboardInterrupt:
        raise typer.Exit(STATUS) from None


def show_whole(console: Console, table: Table) -> None:
    """Print a table with whole words and numbers in a terminal that is too narrow, or a pipe, too."""
    free = console.options.update(max_width=NO_LIMIT)
    console.width = max(console.width, console.measure(table, options=free).minimum)
    console.print(table)


def fail(message: str, status: int) -> NoReturn:
    """End the command with a sentence."""
    typer.echo(f"interestflow: {message}", err=True)
    raise typer.Exit(status)
