"""What items are beside their vectors: categories, authors and other attributes, and which items these let in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# Attribute -> its values of one item.
Labels = Mapping[str, Sequence[str]]
# The attribute that holds an item's categories.
CATEGORIES = "categories"


class Attributes:
    """Values of the attributes that somebody asks for, by catalog row, as numbers: few bytes per item."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """names: of the attributes; others are not kept."""
        self._codes: dict[str, dict[str, int]] = {name: {} for name in names}
        self._values: dict[str, dict[int, tuple[int, ...]]] = {name: {} for name in self._codes}

    def put(self, row: int, given: Labels) -> None:
        """Take an item's attributes in place of those that it had."""
        for name, rows in self._values.items():
            if values := given.get(name):
                rows[row] = tuple(dict.fromkeys(self.code(name, value) for value in values))
            else:
                rows.pop(row, None)

    def code(self, name: str, value: str) -> int:
        """The number of a value. Raises KeyError for an attribute that is not kept."""
        codes = self._codes[name]
        return codes.setdefault(value, len(codes))

    def of(self, name: str, row: int) -> tuple[int, ...]:
        """Numbers of a row's values, each once; none where it has no such attribute."""
        return self._values[name].get(row, ())


@dataclass(frozen=True, slots=True)
class Admission:
    """Which items may be recommended, by their attributes: by default all.

    allowed: attribute -> values; an item needs one of them for each attribute. blocked: an item with any of these
    values is left out.
    """

    allowed: Mapping[str, Collection[str]] = field(default_factory=dict)
    blocked: Mapping[str, Collection[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, allowed: Iterable[str], blocked: Iterable[str]) -> Admission:
        """Of pairs as `market=de`."""
        return cls(_by_name(allowed), _by_name(blocked))

    def admits(self, given: Labels) -> bool:
        """True where an item with these attributes may be recommended."""
        return all(_any(given, name, values) for name, values in self.allowed.items()) and not any(
            _any(given, name, values) for name, values in self.blocked.items()
        )


def _any(given: Labels, name: str, values: Collection[str]) -> bool:
    return any(value in values for value in given.get(name, ()))


def _by_name(pairs: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        found.setdefault(name, set()).add(value)
    return found
