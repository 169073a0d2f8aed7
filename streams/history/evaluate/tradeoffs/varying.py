"""A worker's recommender with several values of one setting, each a contender of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.history.evaluate.live_tuning import changeable, value_of
from streams.settings.errors import UserError


class VaryError(UserError):
    """What was asked for cannot be varied; the message says why."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who is judged. label: how the report calls it. name: of the contender. values: settings that are its own."""

    label: str
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)


def entrants(names: Sequence[str], live: Sequence[str], wanted: Sequence[str]) -> list[Entrant]:
    """One for each name; of a live one, one for each value that is wanted, as `NAME=VALUE,VALUE`. Raises VaryError."""
    varied = dict(map(parse, wanted))
    if varied and not set(names) & set(live):
        raise VaryError(
            f"nobody judged here reads {next(iter(varied))}: judge content or hybrid with --vary, too"
        )
    found = []
    for name in names:
        if name not in live or not varied:
            found.append(Entrant(name, name))
            continue
        for setting, values in varied.items():
            found += [Entrant(f"{name} {setting}={value}", name, {setting: value}) for value in values]
    return found


def parse(text: str) -> tuple[str, list[Any]]:
    """A setting's flat name and its values. Raises VaryError."""
    name, _, rest = text.partition("=")
    values = [value_of(one) for one in rest.split(",") if one.strip()]
    if not values or len(set(values)) < len(values):
        raise VaryError(f"{text!r}: write NAME=VALUE,VALUE, each value once")
    if name not in (known := changeable()):
        raise VaryError(f"{name!r} cannot be varied; what can: {', '.join(known)}")
    return name, values


def curves(judged: Sequence[Entrant]) -> dict[str, list[tuple[str, str]]]:
    """By contender and setting, as `hybrid ranking_diversity`, the value and the label of each."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in judged:
        for setting, value in one.values.items():
            found.setdefault(f"{one.name} {setting}", []).append((str(value), one.label))
    return found
