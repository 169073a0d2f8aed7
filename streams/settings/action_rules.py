"""How strongly each action of a user moves an interest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from streams.settings.action_words import spell

ValueScale = Literal["none", "linear", "log", "sign", "centred", "ratio"]

# Of an action, up or down. With the bound on values (see signals.LARGEST) no sum of events overflows float32.
LARGEST_WEIGHT = 1e6


class ActionRule(BaseModel):
    """How strongly one action moves an interest, and how the event's `value` scales it.

    The signal of an event is `weight * f(value)`, with f by `scale`: `none` 1; `linear` value (a quantity;
    sign kept); `log` log2(1 + |value|) (a quantity, with diminishing returns) with the sign of the value, since a
    purchase of -2 is a return; `sign` 1, or -1 for a negative value; `centred` (value - the user's own running
    mean) / `span` (a rating); `ratio` value clamped to [0, 1] (a share watched).
    Where the event has no value, f is 1, but 0 with `centred`: a rating that is not known is no praise. Where the
    weight is negative, `log` and `sign` leave the sign out: a return of -2 is no purchase.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(ge=-LARGEST_WEIGHT, le=LARGEST_WEIGHT, allow_inf_nan=False)
    scale: ValueScale = "none"
    # `centred` only: the rating scale's middle, the mean's starting point with a weight of one rating.
    middle: float = Field(default=3.0, allow_inf_nan=False)
    # `centred` only: half the width of the scale, so that the result lies about in [-1, 1].
    span: float = Field(default=2.0, gt=0, allow_inf_nan=False)


DEFAULT_ACTIONS: dict[str, ActionRule] = {
    "view": ActionRule(weight=1.0),
    "impression": ActionRule(weight=0.0),
    "click": ActionRule(weight=1.0),
    "play": ActionRule(weight=2.0, scale="ratio"),
    "search": ActionRule(weight=2.0),
    "follow": ActionRule(weight=2.0),
    "comment": ActionRule(weight=2.0),
    "review": ActionRule(weight=2.0),
    "like": ActionRule(weight=3.0),
    "share": ActionRule(weight=3.0),
    "cart": ActionRule(weight=3.0, scale="sign"),
    "save": ActionRule(weight=2.0),
    "rate": ActionRule(weight=3.0, scale="centred"),
    "tag": ActionRule(weight=2.0),
    "purchase": ActionRule(weight=3.0, scale="log"),
    "return": ActionRule(weight=-3.0, scale="log"),
    "dislike": ActionRule(weight=-3.0),
    "hide": ActionRule(weight=-2.0),
    # What undoes another action: as strong, the other way. `action_synonyms` has their other names.
    "refund": ActionRule(weight=-3.0, scale="log"),
    "cancel": ActionRule(weight=-3.0, scale="log"),
    "unlike": ActionRule(weight=-3.0),
    "unfollow": ActionRule(weight=-2.0),
    "uncart": ActionRule(weight=-3.0),
    "unsave": ActionRule(weight=-2.0),
    "unshare": ActionRule(weight=-3.0),
    "untag": ActionRule(weight=-2.0),
    "uncomment": ActionRule(weight=-2.0),
    "unreview": ActionRule(weight=-2.0),
    "undislike": ActionRule(weight=3.0),
    "unhide": ActionRule(weight=2.0),
}


def by_spelled_word(rules: Mapping[str, ActionRule]) -> dict[str, ActionRule]:
    """The same rules, their words as `spell` writes them. Raises ValueError where two differ in spelling alone."""
    spelled: dict[str, ActionRule] = {}
    given: dict[str, str] = {}
    for word, rule in rules.items():
        key = spell(word)
        if spelled.setdefault(key, rule) != rule:
            raise ValueError(
                f"{given[key]!r} and {word!r} are one action, {key}, with two rules: keep one of them"
            )
        given.setdefault(key, word)
    return spelled
