"""What tuning may choose: the parameters of a baseline and their ranges, as the fields of its dataclass say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

KEY = "choice"


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `low` to `high`, both included; an integer where `whole`. log: all sizes are as likely."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these values."""

    values: tuple[Any, ...]


Choice = Between | OneOf


def between(default: float, low: float, high: float, *, log: bool = False) -> Any:
    """A field of a dataclass that tuning searches. An integer where the default is one."""
    return field(default=default, metadata={KEY: Between(low, high, log, isinstance(default, int))})


def one_of(default: Any, values: Sequence[Any]) -> Any:
    """A field of a dataclass that tuning searches among a few values."""
    return field(default=default, metadata={KEY: OneOf(tuple(values))})


def choices(baseline: type) -> dict[str, Choice]:
    """What tuning may choose of a baseline's class, by the name of the field."""
    return {found.name: found.metadata[KEY] for found in fields(baseline) if KEY in found.metadata}
