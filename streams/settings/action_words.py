"""Which known word a producer's action word means: spelling and case folded, synonyms, and the undoing of an action.

Only the spelling is folded in canonical events, where the producer's own word stays to be read; what it means is
asked where it is weighed, so that a rule for just that word, where the settings have one, goes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from typing import TypeVar
from unicodedata import normalize

from streams.settings.action_synonyms import OBJECTS, SYNONYMS, UNDOING, UNDONE

T = TypeVar("T")

# Of folded words; the longest action that is read (see rejections.Limits) is no longer.
LONGEST = 64
# Different words whose meaning is remembered: there are few, unless a producer puts ids into them.
REMEMBERED = 4096

_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Only between letters and digits: "-1" and "+1" are two words.
_BETWEEN = re.compile(r"(?<=\w)[\s_./:\-]+(?=\w)")
_ENDS = re.compile(r"^[_\s]+|[_\s]+$")


@lru_cache(maxsize=REMEMBERED)
def spell(word: str) -> str:
    """`Add To Cart`, `add-to-cart` and `AddToCart` as `add_to_cart`; folded again it stays the same."""
    folded = normalize("NFC", word).strip()
    folded = _BETWEEN.sub("_", _HUMPS.sub("_", folded)).lower()
    # What a stripped underscore leaves at the end may be a space of any kind.
    folded = _ENDS.sub("", re.sub(r"_{2,}", "_", normalize("NFC", folded)))
    return folded if len(folded) <= max(LONGEST, len(word)) else word


@lru_cache(maxsize=REMEMBERED)
def meanings(word: str) -> tuple[str, ...]:
    """The spelled word, then what it is taken for where no rule is for itself: `bought` is also `purchase`."""
    spelled = spell(word)
    bare = tuple(_without_object(spelled))
    undoing = (word for words in (spelled, *bare) for word in _undoing(words))
    return tuple(dict.fromkeys((spelled, *_plain(spelled), *undoing)))


def known_word(word: str, known: Container[str]) -> str | None:
    """The known word that an action word means, or None."""
    return next((meaning for meaning in meanings(word) if meaning in known), None)


class PerWord(dict[str, T]):
    """What is the case of each word, found out once: of the first `REMEMBERED` words, and of later ones each time."""

    def __init__(self, find: Callable[[str], T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, word: str) -> T:
        found = self._find(word)
        if len(self) < REMEMBERED:
            self[word] = found
        return found


class ActionSet(Container[str]):
    """Some of the known words; holds every spelling and synonym of them."""

    def __init__(self, words: Iterable[str], known: Iterable[str]) -> None:
        """known: other words that have a meaning of their own, so that none of `words` stands for them."""
        own = [spell(word) for word in words]
        self._known = frozenset(own).union(map(spell, known))
        self.words = frozenset(known_word(word, self._known) or word for word in own)

    def __contains__(self, action: object) -> bool:
        return action in self.words or (
            isinstance(action, str) and known_word(action, self._known) in self.words
        )


def _plain(spelled: str) -> Iterable[str]:
    """The word for a synonym, and for one with the name of what it is done to: `product_viewed`."""
    if spelled in SYNONYMS:
        yield SYNONYMS[spelled]
    for bare in _without_object(spelled):
        yield bare
        if bare in SYNONYMS:
            yield SYNONYMS[bare]


def _without_object(spelled: str) -> Iterable[str]:
    first, _, rest = spelled.partition("_")
    if rest and first in OBJECTS:
        yield rest
    rest, _, last = spelled.rpartition("_")
    if rest and last in OBJECTS:
        yield rest


def _undoing(spelled: str) -> Iterable[str]:
    """The word for what undoes another: `remove_like`, `like_removed` and `undo_like` are `unlike`."""
    for pattern in UNDOING:
        if (found := pattern.fullmatch(spelled)) is None:
            continue
        for done in (found[1], *_plain(found[1])):
            if done in UNDONE:
                yield UNDONE[done]
