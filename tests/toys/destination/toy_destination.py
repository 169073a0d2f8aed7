"""Destination `lines`: a JSON line per row, in the file that the variable TOY_LINES names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from sinks.base import DestinationError, Log, Row


class LinesDestination:
    """Appends every row; whoever reads the file keeps the greatest version of each key."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()

    def upsert(self, table: str, rows: Sequence[Row]) -> Future[Any]:
        """See Destination; resolved at once."""
        lines = [
            orjson.dumps([table, row.key.decode(), row.version, row.value.decode()]) + b"\n" for row in rows
        ]
        with self._lock, self._path.open("ab") as file:
            file.writelines(lines)
        done: Future[Any] = Future()
        done.set_result(None)
        return done

    def close(self, deadline_s: float) -> int:
        """Nothing is ever outstanding."""
        return 0


def from_settings(settings: Any, log: Log) -> LinesDestination:
    """The file is named by the destination's own variable. Raises DestinationError where it is not set."""
    path = os.environ.get("TOY_LINES")
    if not path:
        raise DestinationError("TOY_LINES is not set: name the file to write to")
    return LinesDestination(Path(path))
