"""A producer's JSON object, read field by field: what can only mean one thing is understood, and counted.

What decides (user, action, item, time) is read strictly; of other fields an empty string or null is absence, a
number in a string a number, a number a text, and one thing a list of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from streams.events import forgiven as kinds
from streams.events.forgiven import Forgiven
from streams.events.rejections import Reason, Rejected

REPLACEMENT = "\ufffd"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 400
_TRUE, _FALSE = frozenset(("true", "1", "yes")), frozenset(("false", "0", "no"))


class Invalid(Exception):
    """The way out with a rejection."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message

    def rejected(self, stage: str) -> Rejected:
        """The rejection, at a stage."""
        return Rejected(self.reason, self.message, stage)

    def within(self, place: str) -> Invalid:
        """The same, of a part of a record. place: stands before the message."""
        return Invalid(self.reason, place + self.message)


class Fields:
    """The fields of one object."""

    __slots__ = ("damaged", "forgiven", "given", "within")

    def __init__(
        self, given: Mapping[str, Any], forgiven: Forgiven, damaged: bool = False, within: str = ""
    ) -> None:
        """damaged: half characters were replaced. within: where they stand in the record, before each message."""
        self.given, self.forgiven, self.damaged, self.within = given, forgiven, damaged, within

    def with_values(self, given: Mapping[str, Any], within: str = "") -> Fields:
        """Other fields of the same record."""
        return Fields(given, self.forgiven, self.damaged, within)

    def present(self, name: str) -> Any:
        """The value; None where it is absent, null or an empty string."""
        found = self.given.get(name)
        if found is None:
            if name in self.given:
                self.forgiven.note(name, kinds.NULL)
            return None
        if found == "":
            self.forgiven.note(name, kinds.EMPTY)
            return None
        return found

    def identifier(self, name: str, whole: bool = False) -> str | None:
        """A string, or an integer as decimal text; None where absent. Raises Invalid.

        whole: refuse half a character.
        """
        found = self.present(name)
        if isinstance(found, str):
            if whole:
                self.require_whole(name, found)
            return found
        if found is None:
            return None
        if isinstance(found, int) and not isinstance(found, bool):
            self.forgiven.note(name, kinds.NUMBER)
            return _decimal(found)
        raise self.wrong(name, found, "a string or an integer")

    def text(self, name: str) -> str | None:
        """A string, or a number as text; None where absent. Raises Invalid."""
        found = self.present(name)
        if found is None or isinstance(found, str):
            return found
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.wrong(name, found, "a string")
        self.forgiven.note(name, kinds.NUMBER)
        return _decimal(found)

    def word(self, name: str) -> str | None:
        """A string and nothing else; None where absent. Raises Invalid."""
        found = self.present(name)
        if found is None:
            return None
        if not isinstance(found, str):
            raise self.wrong(name, found, "a string")
        self.require_whole(name, found)
        return found

    def number(self, name: str) -> float | None:
        """A number, also one in a string; None where absent. Raises Invalid."""
        found = self.present(name)
        if isinstance(found, str):
            found = self._number_in(name, found)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.wrong(name, found, "a number")
        try:
            return float(found)
        except OverflowError as error:
            raise Invalid(Reason.NOT_FINITE, f"{name} is out of range") from error

    def flag(self, name: str) -> bool:
        """A boolean, also as 0, 1 or a word; False where absent. Raises Invalid."""
        found = self.present(name)
        if found is None or isinstance(found, bool):
            return bool(found)
        said = str(found).strip().lower() if isinstance(found, str | int) else ""
        if said not in _TRUE | _FALSE:
            raise self.wrong(name, found, "true or false")
        self.forgiven.note(name, kinds.BOOLEAN)
        return said in _TRUE

    def strings(self, name: str, names: tuple[str, ...] = ()) -> list[str] | None:
        """A list of strings; None where absent. names: of an object, the field that counts for it. Raises Invalid."""
        found = self.present(name)
        if found is None:
            return None
        if not isinstance(found, list):
            self.forgiven.note(name, kinds.ONE_FOR_LIST)
            found = [found]
        parts = [self._part(name, index, part, names) for index, part in enumerate(found)]
        return [part for part in parts if part is not None]

    def require_whole(self, name: str, found: str) -> None:
        """Raises Invalid where half a character was replaced in it: two ids must not become one."""
        if self.damaged and REPLACEMENT in found:
            raise Invalid(
                Reason.NOT_UTF8,
                f"{name} holds half a character (a lone surrogate): cut texts between characters",
            )

    def wrong(self, name: str, found: Any, expected: str) -> Invalid:
        """The way out for a value of a type that is not understood."""
        return Invalid(Reason.WRONG_TYPE, f"{name} is {kind_of(found)}, not {expected}")

    def _number_in(self, name: str, found: str) -> float | None:
        stripped = found.strip()
        if not stripped:
            self.forgiven.note(name, kinds.EMPTY)
            return None
        if len(stripped) > _LONGEST_NUMBER or _NUMBER.fullmatch(stripped) is None:
            message = f"{name} is a string that holds no number, not a number"
            raise Invalid(Reason.WRONG_TYPE, message)
        self.forgiven.note(name, kinds.NUMBER_IN_STRING)
        return float(stripped)

    def _part(self, name: str, index: int, part: Any, names: tuple[str, ...]) -> str | None:
        if isinstance(part, dict):
            part = next((part[key] for key in names if part.get(key) not in (None, "")), part)
            if not isinstance(part, dict):
                self.forgiven.note(name, kinds.NAMED)
        if part is None or part == "":
            self.forgiven.note(name, kinds.EMPTY_PART)
            return None
        if isinstance(part, str):
            return part
        if isinstance(part, bool) or not isinstance(part, int | float):
            hint = f" or an object with one of {', '.join(names)}" if names else ""
            raise self.wrong(f"{name}[{index}]", part, f"a string{hint}")
        self.forgiven.note(name, kinds.NUMBER)
        return _decimal(part)


def kind_of(given: Any) -> str:
    """The JSON type of a value, with its article."""
    if given is None:
        return "null"
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "a list"}
    return names.get(type(given), "an object")


def _decimal(given: float) -> str:
    try:
        return str(given)
    except ValueError as error:  # Python writes no integer of thousands of digits
        raise Invalid(Reason.NOT_FINITE, "a number is out of range") from error
