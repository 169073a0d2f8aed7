"""The base of the errors that a user can put right."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(RuntimeError):
    """Its message is for a user: it names what is wrong and what to do next. Commands print it without a traceback."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The question behind a sentence that ends with a word nobody knows; empty where none of `known` is near."""
    near = get_close_matches(word, known, 1)
    return f" Did you mean {near[0]}?" if near else ""
