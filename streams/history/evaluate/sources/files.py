"""Where a stream of visits comes from, and the vectors of its items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from streams.history.evaluate.live.space import Space, build_space
from streams.history.evaluate.visits import Stream, read_stream
from streams.settings.settings import PLACES, Settings

Told = Callable[[int, int], None]
# Sections of the settings that decide what the visits are.
SECTIONS = ("weights", "sentiment", "limits", "topics", "kafka")


class Source(Protocol):
    """name: what the report calls it."""

    name: str

    def stream(self, settings: Settings, limit: int | None, told: Told) -> Stream:
        """The visits. limit: events at most. told: how many events of how many were read. Raises UserError."""
        ...

    def space(self, settings: Settings, stream: Stream, folder: Path, told: Told) -> Space:
        """The vectors of the stream's items. folder: for a projection that is fitted. Raises UserError."""
        ...


class DataFiles:
    """The files of a public data set. The stream that was read last is kept, for the next task on it."""

    def __init__(self, name: str, path: Path) -> None:
        """name: of the data set. path: its file or folder."""
        self.name, self._path = name, path
        self._last: tuple[Any, Stream] | None = None

    def stream(self, settings: Settings, limit: int | None, told: Told) -> Stream:
        """See `Source.stream`. Raises DatasetError."""
        flat = settings.flat()
        wanted = limit, {name: flat[name] for name, (section, _) in PLACES.items() if section in SECTIONS}
        if self._last is None or self._last[0] != wanted:
            self._last = wanted, read_stream(settings, self.name, self._path, limit, told)
        return self._last[1]

    def space(self, settings: Settings, stream: Stream, folder: Path, told: Told) -> Space:
        """See `Source.space`."""
        return build_space(settings, stream.items, folder, told)
