"""An engine of the benchmark, and where it reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from streams.bench.cluster import Cluster


class Form(StrEnum):
    """When an engine publishes a vector."""

    TOUCHED = (
        "touched"  # one for each touched user and interval: 100 ms, or the batch that the engine takes in
    )
    EVENT = "event"  # one for each event


# Milliseconds between two vectors of a user in the form `touched`, for engines that have timers.
INTERVAL_MS = 100


@dataclass(frozen=True, slots=True)
class Wiring:
    """One run of one engine. input, output: topics that exist. group: its name and its topics' prefix.

    home: folder for what it writes. form: when it is to publish.
    """

    servers: str
    input: str
    output: str
    group: str
    home: Path
    form: Form


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an engine. changelog: topic whose last record ends the clock too, if any.

    joining_s: seconds that it is left alone once it is warm, until all its processes have their part.
    """

    command: list[str]
    environment: dict[str, str]
    changelog: str | None = None
    joining_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine in one form. share: part of the events that it gets. note: what it guarantees, and what it does not.

    prepare: makes ready what a run needs; None where the engine cannot run, and the note says why.
    """

    name: str
    share: float
    note: str
    prepare: Callable[[Cluster, Wiring], Launch] | None
    form: Form = Form.TOUCHED

    @property
    def label(self) -> str:
        """Engine and form, as rows and topics are called."""
        return label(self.name, self.form)


def label(engine: str, form: Form) -> str:
    """What a row of an engine in a form is called."""
    return f"{engine}-{form}"
