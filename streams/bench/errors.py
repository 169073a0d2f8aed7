"""The benchmark's own error, apart from all that needs psutil."""

from __future__ import annotations

from collections.abc import Collection

from streams.settings.errors import UserError


class BenchError(UserError):
    """A measurement is not possible or not valid; the message says why and what to do."""


def check_names(kind: str, given: Collection[str], known: Collection[str]) -> None:
    """Raise BenchError where a name that was given is none of those that there are."""
    if unknown := sorted(set(given) - set(known)):
        raise BenchError(f"no {kind} {', '.join(unknown)}; there are: {', '.join(known)}")
