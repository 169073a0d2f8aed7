"""An engine of the benchmark, and where it reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.bench.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Wiring:
    """One run of one engine. input, output: topics that exist. group: its name and its topics' prefix.

    home: folder for what it writes.
    """

    servers: str
    input: str
    output: str
    group: str
    home: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an engine. changelog: topic whose last record ends the clock too, if any."""

    command: list[str]
    environment: dict[str, str]
    changelog: str | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine. share: part of the events that it gets. note: what it guarantees, and what it does not.

    prepare: makes ready what a run needs; None where the engine cannot run, and the note says why.
    """

    name: str
    share: float
    note: str
    prepare: Callable[[Cluster, Wiring], Launch] | None
