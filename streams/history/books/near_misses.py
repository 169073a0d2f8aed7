"""Ids that a person would call the same: they differ in case, space, Unicode form, leading zeros or a number's form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from unicodedata import normalize

# Zeros before a digit, but for those of a fraction; numbers as spreadsheets and languages write them.
ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?(e[+-]?\d{1,2})?", re.IGNORECASE | re.ASCII)


def _number(text: str) -> str:
    """A number in one spelling, and any other text as it is."""
    if NUMBER.fullmatch(text) is None:
        return text
    number = Decimal(text)
    return format(number.normalize(), "f") if number else "0"


# In the order in which they work together: a number is only seen once the space around it is gone.
FORMS: dict[str, Callable[[str], str]] = {
    "Unicode form": lambda text: normalize("NFKC", text),
    "case": str.casefold,
    "space": lambda text: "".join(text.split()),
    "spelling of a number": _number,
    "leading zeros": lambda text: ZEROS.sub("", text),
}


def folded(text: str, but: str = "") -> str:
    """The id with all these differences taken out, but one."""
    # Twice, for one form may bring back what another has taken out: small letters can be of another Unicode form.
    for _ in range(2):
        for name, form in FORMS.items():
            if name != but:
                text = form(text)
    return text


def differences(left: str, right: str) -> list[str]:
    """In what two different ids that fold alike differ: the kinds without which they would not."""
    needed = [name for name in FORMS if folded(left, name) != folded(right, name)]
    # Leading zeros are also a number's spelling: where either would do, the later one says more.
    return needed or [name for name, form in FORMS.items() if form(left) == form(right)][-1:]


class NearMisses:
    """Finds, among many ids that pass by, those that are nearly one of a few."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._wanted: dict[str, list[str]] = {}
        for one in wanted:
            self._wanted.setdefault(folded(one), []).append(one)

    def of(self, item_id: str) -> list[str]:
        """Those of the few that this id nearly is."""
        return [one for one in self._wanted.get(folded(item_id), ()) if one != item_id]
