"""Fingerprints of all that decides a result: the stream of visits, the items' vectors, the settings and the code."""

from __future__ import annotations

import inspect
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import encoders
import streams
from streams.events.canonical import encode
from streams.history import evaluate
from streams.history.evaluate.baselines.registry import BASELINES
from streams.history.evaluate.live.space import Space
from streams.history.evaluate.table.kept import fingerprint
from streams.history.evaluate.visits import Stream
from streams.settings.registries import RECOMMENDERS
from streams.settings.settings import PLACES, Settings

# Sections of the settings that change what a recommender of a worker answers; the encoder's are in the space's name.
SECTIONS = (
    *("weights", "sentiment", "behaviour_text", "limits"),
    *("interest", "user_state", "recommendations", "ranking"),
)
# Files of this room that decide a baseline's marks, and rooms of `streams` that decide nothing.
JUDGE = ("contender", "judge", "judged", "marks", "memory", "tuning", "tradeoffs/lists")
IDLE = ("bench", "commands", "demo", "local_kafka", "processes", "history/books")
IDLE_HERE = ("baselines", "report", "table")


def of_stream(stream: Stream) -> str:
    """Of all visits, their events and the items."""
    visits = (
        (
            f"{one.user} {one.time}".encode(),
            *(column.tobytes() for column in (one.rows, one.weights, one.values, one.chosen)),
            *map(encode, one.events),
        )
        for one in stream.visits
    )
    items = (repr(item).encode() for item in stream.items)
    return fingerprint(f"{stream.half} {stream.rated}".encode(), *items, *chain.from_iterable(visits))


def of_space(space: Space) -> str:
    """Of the items' vectors and of what encodes texts."""
    return fingerprint(space.name.encode(), space.vectors.tobytes())


def of_settings(settings: Settings) -> dict[str, Any]:
    """The settings that decide, by flat name."""
    return {name: value for name, value in settings.flat().items() if PLACES[name][0] in SECTIONS}


@cache
def of_code(name: str) -> str:
    """Of the source that is run where this contender is judged. It cannot see a plug-in's."""
    here = _folder(evaluate)
    if name in RECOMMENDERS:
        every = [*_folder(streams).rglob("*.py"), *_folder(encoders).rglob("*.py")]
        idle = [_folder(streams) / one for one in IDLE] + [here / one for one in IDLE_HERE]
        files = [path for path in every if not any(path.is_relative_to(one) for one in idle)]
    else:
        classes = (one for one in BASELINES[name].__mro__ if one.__module__.startswith("streams."))
        files = [here / f"{one}.py" for one in JUDGE] + list((here / "baselines").glob("*.py"))
        files += [Path(inspect.getfile(one)) for one in classes]
    return fingerprint(*(path.read_bytes() for path in sorted(set(files))))


def _folder(package: Any) -> Path:
    return Path(package.__file__).parent
