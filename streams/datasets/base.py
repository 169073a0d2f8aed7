"""What every data set gives."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.settings.errors import UserError


class DatasetError(UserError):
    """The path holds no such data set; the message says which files are expected."""


@dataclass(slots=True)
class Dataset:
    """items: catalog records by their field names. events: native behaviour events, in event-time order.

    total: events, for a progress bar. notes: what was left out, and how many.
    """

    items: list[dict[str, Any]]
    events: Iterator[dict[str, Any]]
    total: int
    notes: dict[str, int] = field(default_factory=dict)


def require(folder: Path, *names: str) -> list[Path]:
    """The named files of a folder. Raises DatasetError."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DatasetError(
            f"{folder} lacks {', '.join(missing)}: give the folder that holds {', '.join(names)}"
        )
    return [folder / name for name in names]


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turns what a damaged or other file makes of its reader into a DatasetError. expected: what to give."""
    try:
        yield
    except DatasetError:
        raise
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read ({error!r}): {expected}") from error
